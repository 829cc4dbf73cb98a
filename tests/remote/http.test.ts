/** Remote roots against real servers on loopback that also fail on purpose. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openRoot } from '../../sources/bytes.ts';
import { waitAsked } from '../../sources/remote/retry.ts';
import { stage } from '../../sources/stage.ts';
import { openAt } from '../../sources/tree.ts';
import { type FileServer, serve } from './server.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 255));
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'prep-remote-'));
  writeFileSync(join(path, 'data.bin'), CONTENT);
  writeFileSync(join(path, 'nä me #1.txt'), 'text');
  open.push(() => rmSync(path, { recursive: true }));
  return path;
}
async function served(options?: Parameters<typeof serve>[1]): Promise<FileServer> {
  const server = await serve(folder(), options);
  open.push(() => server.close());
  return server;
}

describe('an HTTP server with a listing', () => {
  it('lists, opens, and reads any range', async () => {
    const server = await served();
    const root = await openRoot(server.url);
    expect(await root.list()).toEqual([
      { name: 'data.bin', size: CONTENT.length },
      { name: 'nä me #1.txt', size: 4 },
    ]);
    expect(await root.readText('nä me #1.txt')).toBe('text');
    const file = await root.open('data.bin');
    for (const [offset, length] of [
      [0, 10],
      [123_456, 1000],
      [299_990, 100],
      [5, 290_000],
      [300_000, 5],
    ] as const)
      expect(Buffer.from(await file.read(offset, length)).equals(CONTENT.subarray(offset, offset + length))).toBe(true);
  });
  it('reads small pieces in a row with one request', async () => {
    const server = await served();
    const file = await (await openRoot(server.url)).open('data.bin');
    for (let at = 0; at < CONTENT.length; at += 1000) await file.read(at, 12);
    expect(server.requests.filter(({ method }) => method === 'GET')).toHaveLength(1);
  });
  it('in the middle of a file, reads little more than it asks for', async () => {
    const server = await served();
    const file = await (await openRoot(server.url)).open('data.bin');
    await file.read(200_000, 12);
    expect(server.sent).toBe(65_536);
  });
  it.each([
    ['503 twice', (count: number) => (count <= 2 ? ({ kind: 503 } as const) : undefined)],
    // The first request for a file asks for its size.
    ['429', (count: number) => (count <= 2 ? ({ kind: 429 } as const) : undefined)],
    ['a broken connection', (count: number) => (count <= 2 ? ({ kind: 'reset' } as const) : undefined)],
    ['half a body', (count: number) => (count <= 2 ? ({ kind: 'short' } as const) : undefined)],
  ])('%s: asked again, and the right bytes', async (_, fault) => {
    const server = await served();
    server.fault = (__, count) => fault(count);
    const file = await (await openRoot(server.url)).open('data.bin');
    expect(Buffer.from(await file.read(0, CONTENT.length)).equals(CONTENT)).toBe(true);
  });
  it.each([429, 503])('%i with Retry-After: waits as long as the server asks', async (kind) => {
    const server = await served();
    const file = await (await openRoot(server.url)).open('data.bin');
    const times: number[] = [];
    server.fault = () => {
      times.push(performance.now());
      return times.length === 1 ? { kind, retryAfter: 1 } : undefined;
    };
    await file.read(0, 10);
    expect(times).toHaveLength(2);
    // Our own first wait is a quarter of a second.
    expect(times[1]! - times[0]!).toBeGreaterThan(990);
  });
  it.each([
    ['7', null, 7000],
    [' 7 ', null, 7000],
    ['Fri, 27 Nov 2026 10:00:05 GMT', 'Fri, 27 Nov 2026 10:00:00 GMT', 5000],
    ['Fri, 27 Nov 2026 09:00:00 GMT', 'Fri, 27 Nov 2026 10:00:00 GMT', 0],
    ['Fri, 27 Nov 2026 10:00:05 GMT', null, 0],
    ['soon', 'Fri, 27 Nov 2026 10:00:00 GMT', 0],
    [null, null, 0],
  ])('Retry-After %j in an answer of %j asks for %i ms', (retryAfter, date, wait) => {
    expect(waitAsked(retryAfter, date)).toBe(wait);
  });
  it('a server that ignores ranges is an error, never other bytes', async () => {
    const server = await served();
    server.fault = () => ({ kind: 'whole' });
    const file = await (await openRoot(server.url)).open('data.bin');
    await expect(file.read(100_000, 10)).rejects.toThrow(/bad-remote.*data\.bin/);
  });
  it('a file that is replaced while it is read is an error, never mixed bytes', async () => {
    const server = await served();
    const file = await (await openRoot(server.url)).open('data.bin');
    await file.read(200_000, 10);
    server.replaced.set('data.bin', Buffer.from(CONTENT).fill(7));
    await expect(file.read(0, 10)).rejects.toThrow(/replaced while it was being read/);
  });
  it('what is not there', async () => {
    const server = await served();
    await expect((await openRoot(server.url)).open('nothing')).rejects.toThrow(/source-missing.*nothing/);
    await expect((await openRoot(server.url)).open('../x')).rejects.toThrow(/source-missing/);
  });
  it('without a listing it says what to do', async () => {
    const server = await served({ listing: false });
    await expect((await openRoot(server.url)).list()).rejects.toThrow(/a list of the folder.*autoindex/);
  });
  it('a user and a password reach the server and no message', async () => {
    const server = await served();
    const uri = server.url.replace('http://', 'http://me:secret@');
    const root = await openRoot(uri);
    await root.list();
    expect(server.requests.every(({ authorization }) => authorization?.startsWith('Basic '))).toBe(true);
    expect(root.uri).not.toContain('secret');
    await expect(root.open('nothing')).rejects.not.toThrow(/secret/);
  });
  it('a staged file is a verified copy that is removed again', async () => {
    const server = await served();
    const staged = await stage(await openRoot(server.url), 'data.bin');
    expect(readFileSync(staged.path).equals(CONTENT)).toBe(true);
    await staged.release();
    expect(() => readFileSync(staged.path)).toThrow(/ENOENT/);
  });
});

describe('the Hub', () => {
  it('lists page by page, reads through redirects, and sends its token to itself alone', async () => {
    const server = await served({ hub: true });
    const root = await openRoot('hf://datasets/me/set', { hubEndpoint: server.url, hubToken: 'hf_secret' });
    expect((await root.list()).map(({ name }) => name)).toEqual(['data.bin', 'nä me #1.txt']);
    const file = await openAt(root, 'data.bin');
    expect(Buffer.from(await file.read(1000, 50)).equals(CONTENT.subarray(1000, 1050))).toBe(true);
    expect(
      server.requests
        .filter(({ path }) => path.startsWith('/api/'))
        .every(({ authorization }) => authorization === 'Bearer hf_secret'),
    ).toBe(true);
    expect(root.uri).toBe('hf://datasets/me/set');
  });
});
