import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openRegistry, readExclusions, sourceOrder } from '../../pipelines/registry.ts';
import type { RecordPlace } from '../../schemas/episode.ts';

const place = (record: number, shard = 'a-0', split = 'train'): RecordPlace => ({
  ...{ split, shard, record, length: 100 },
  offset: 100 * record,
});
type Recorded = Parameters<typeof openRegistry>[0];
type Found = Parameters<ReturnType<typeof openRegistry>['keep']>[1];
const found = (at: RecordPlace, digest = 'd'): Found => ({ place: at, digest }) as unknown as Found;
const recorded = (all: object[]): Recorded => ({ all: () => all }) as unknown as Recorded;

function listed(text: string): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'prep-exclude-'));
  try {
    writeFileSync(join(folder, 'list.txt'), text);
    return readExclusions(join(folder, 'list.txt'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the list of exclusions', () => {
  it('one id per line, a tab and a reason, comments, both line ends, `:` as `_`', () => {
    const list = listed('# bad ones\r\nLAB/success/d/Tue_16:19\tlens cap on\n\n  other  # seen by eye\r\n');
    expect([...list]).toEqual([
      ['LAB/success/d/Tue_16_19', 'lens cap on'],
      ['other', 'listed in list.txt'],
    ]);
  });
  it('an id that a clash made holds a `#` of its own', () => {
    expect([...listed('one@train/a-0#7\ttwice # noted\n').entries()]).toEqual([['one@train/a-0#7', 'twice']]);
  });
  it('a file that is not there is a bad option', () => {
    expect(() => readExclusions('/nowhere/list.txt')).toThrow(/bad-option .*--exclude/);
  });
});

describe('the registry', () => {
  const open = (all: object[] = [], excluded = new Map<string, string>()) =>
    openRegistry(recorded(all), { excluded, splits: ['train', 'val'] });
  it('orders places by split, shard, offset', () => {
    const [b, d, a, c] = [place(1), place(0, 'a-0', 'val'), place(0), place(0, 'a-1')];
    expect([b, d, a, c].sort(sourceOrder(['train', 'val']))).toEqual([a, b, c, d]);
  });
  it('an id taken by another record gets its place added; the same record keeps it', () => {
    const registry = open([{ episode: 'one', place: place(0), state: 'kept', digest: 'x' }]);
    expect(registry.uniqueId('one', found(place(0)))).toEqual({ id: 'one', clash: undefined });
    const other = registry.uniqueId('one', found(place(7)));
    expect(other.id).toBe('one@train/a-0#7');
    expect(other.clash).toMatch(/^one \(/);
  });
  it('the second of two equal episodes in source order is the duplicate, now or from an earlier run', () => {
    const registry = open([{ episode: 'late', place: place(5), state: 'kept', digest: 'd' }]);
    expect(registry.duplicateOf(found(place(6)))).toBe('late');
    expect(registry.duplicateOf(found(place(4)))).toBeUndefined();
    registry.keep('early', found(place(4)));
    expect(registry.duplicateOf(found(place(5)))).toBe('early');
    expect(registry.duplicateOf(found(place(9), 'other'))).toBeUndefined();
  });
  it('equal content that was not kept makes no duplicate', () => {
    const registry = open([{ episode: 'bad', place: place(0), state: 'quarantined', digest: 'd' }]);
    expect(registry.duplicateOf(found(place(1)))).toBeUndefined();
  });
  it('exclusion by id or by published id', () => {
    const registry = open([], new Map([['L_a', 'why']]));
    const who = (id: string, sourceId: string) => registry.excluded({ id, sourceId } as never);
    expect([who('L_a', 'x'), who('x', 'L:a'), who('x', 'y')]).toEqual(['why', 'why', undefined]);
  });
});
