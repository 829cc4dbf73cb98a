import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJsonIndex } from '../../sources/formats/json-index.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'prep-json-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function indexOf(text: string) {
  const path = join(folder, 'side.json');
  writeFileSync(path, text);
  return openJsonIndex(path);
}

describe('a large JSON object', () => {
  it('gives what JSON.parse gives, for any object', () =>
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
        fc.constantFrom(0, 1, '\t'),
        (value, indent) => {
          const index = indexOf(JSON.stringify(value, null, indent));
          const parsed = JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
          expect([...index.keys()].sort()).toEqual(Object.keys(parsed).sort());
          for (const key of Object.keys(parsed)) expect(index.get(key)?.value).toEqual(parsed[key]);
          index.close();
        },
      ),
      { numRuns: 60 },
    ));
  it('follows escapes, brackets in strings, and text beyond ASCII', () => {
    const index = indexOf(String.raw`{ "a\"}": "x\\", "é": [ "]", {"b": "}"} ] ,"n" : -1.5e3 , "t":true}`);
    expect(index.size).toBe(4);
    expect(index.get('a"}')?.value).toBe('x\\');
    expect(index.get('é')?.value).toEqual([']', { b: '}' }]);
    expect([index.get('n')?.value, index.get('t')?.value, index.get('none')]).toEqual([-1500, true, undefined]);
    index.close();
  });
  it.each([
    ['', "'{'", 'the end of the file'],
    ['[1]', "'{'", "'['"],
    ['{"a": [1, 2', 'the value of a', 'the end of the file'],
    ['{"a": "x', 'the value of a', 'the end of the file'],
    ['{"a', 'the end of a key', 'the end of the file'],
    ['{"a" 1}', "':'", "'1'"],
    ['{"a": }', 'the value of a', "'}'"],
    ['{"a": 1 "b": 2}', '', ''],
    ['{"a": "x" "b": 2}', "',' or '}'", "'\"'"],
    ['{a: 1}', 'a key', "'a'"],
  ])('%s is refused with file and byte, or when it is asked for', (text, expected, found) => {
    const open = (): unknown => indexOf(text).get('a')?.value;
    expect(open).toThrow(/bad-value \(file .*side\.json/);
    expect(open).toThrow(expected);
    expect(open).toThrow(found);
  });
});
