import { mkdtempSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRoot } from '../../sources/bytes.ts';
import { failure } from './memory-file.ts';

let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'prep-bytes-'));
  await mkdir(join(folder, 'below'));
  writeFileSync(
    join(folder, 'b.bin'),
    Uint8Array.from({ length: 100 }, (_, i) => i),
  );
  writeFileSync(join(folder, 'a.txt'), 'größe');
  writeFileSync(join(folder, 'latin1.txt'), Uint8Array.of(0x67, 0xf6, 0x67));
  symlinkSync(join(folder, 'b.bin'), join(folder, 'link.bin'));
  symlinkSync(join(folder, 'nowhere'), join(folder, 'broken'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a local root', () => {
  it('lists files with sizes, links followed, and folders apart', async () => {
    const root = await openRoot(folder);
    const stamp = (name: string): string => `${statSync(join(folder, name)).mtimeMs}`;
    expect(await root.list()).toEqual([
      { name: 'a.txt', size: 7, stamp: stamp('a.txt') },
      { name: 'b.bin', size: 100, stamp: stamp('b.bin') },
      { name: 'latin1.txt', size: 3, stamp: stamp('latin1.txt') },
      { name: 'link.bin', size: 100, stamp: stamp('b.bin') },
    ]);
    expect(await root.folders()).toEqual(['below']);
    expect(await root.folder('below').list()).toEqual([]);
  });

  it('reads ranges into buffers of their own, never beyond the end', async () => {
    const file = await (await openRoot(pathToFileURL(folder).href)).open('b.bin');
    const middle = await file.read(10, 5);
    expect([...middle]).toEqual([10, 11, 12, 13, 14]);
    expect([middle.byteOffset, middle.buffer.byteLength]).toEqual([0, 5]);
    expect((await file.read(98, 2 ** 40)).buffer.byteLength).toBe(2);
    expect((await file.read(500, 10)).length).toBe(0);
    await file.close();
  });

  it('returns what is there of a file that became shorter', async () => {
    const path = join(folder, 'below', 'shrinks');
    writeFileSync(path, new Uint8Array(50));
    const file = await (await openRoot(folder)).folder('below').open('shrinks');
    truncateSync(path, 20);
    expect((await file.read(0, 50)).length).toBe(20);
    await file.close();
  });

  it('reads UTF-8 texts up to a limit', async () => {
    const root = await openRoot(folder);
    expect(await root.readText('a.txt')).toBe('größe');
    expect((await failure(() => root.readText('a.txt', 6))).code).toBe('bad-value');
    expect((await failure(() => root.readText('latin1.txt'))).code).toBe('bad-value');
  });

  it.each(['../a.txt', 'below/../a.txt', '..', '', '/etc/passwd', 'a\\b'])('refuses the name %j', async (name) => {
    const root = await openRoot(folder);
    expect((await failure(() => root.open(name))).code).toBe('source-missing');
  });

  it('says what is missing and what to do', async () => {
    expect((await failure(() => openRoot(join(folder, 'no')))).message).toMatch(/source-missing.*no.*nothing there/);
    expect((await failure(() => openRoot(join(folder, 'b.bin')))).message).toMatch(/expected a folder, found a file/);
    expect((await failure(async () => (await openRoot(folder)).open('no'))).code).toBe('source-missing');
  });
});
