/** `prep ingest` from a server and from S3 gives what the folder gives, and a store on S3 survives being killed. */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@lancedb/lancedb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPrep } from '../cli/run.ts';
import { contents, freshFolder, RELEASE, stored } from '../e2e/demo-set.ts';
import { demoRecords, framed, retimed, shardFiles, writeRelease } from '../e2e/release.ts';
import { pythonWith } from '../python/python.ts';
import { serve } from './server.ts';

const DEMO = join(RELEASE, '../..');
const words = (root: string, store: string, ...more: string[]): string[] => [
  'ingest',
  'droid',
  '--root',
  root,
  '--store',
  store,
  '--workers',
  '1',
  ...more,
];

/** Rows, tracks and ledger; where the source lay is no part of them. */
async function ingested(root: string, store: string, env: Record<string, string> = {}) {
  const { code, stderr } = await startPrep(words(root, store), { env }).ended;
  expect([code, stderr]).toEqual([0, '']);
}

it('from an HTTP server that fails now and then: the same store, and no more bytes than the files have', async () => {
  const [local, remote] = [freshFolder(), freshFolder()];
  await ingested(RELEASE, local);
  const server = await serve(DEMO);
  server.fault = (path, count) =>
    path.includes('tfrecord') && count === 1
      ? { kind: 503 }
      : path.includes('tfrecord') && count === 2
        ? { kind: 'short' }
        : undefined;
  try {
    await ingested(`${server.url}/droid_101/1.0.1`, remote);
    const files = readdirSync(RELEASE).reduce((sum, name) => sum + statSync(join(RELEASE, name)).size, 0);
    // One body was cut in half and asked for again.
    expect(server.sent).toBeLessThan(2 * files);
  } finally {
    await server.close();
  }
  expect((await contents(remote)).same).toEqual((await contents(local)).same);
}, 300_000);

it('gone on with in the middle of a shard: what is recorded is not fetched again', async () => {
  // Records that are set aside before a picture is decoded, so that many make a large shard; a sound one at its end.
  const [sound, , , damaged] = demoRecords();
  const folder = writeRelease([[...Array.from({ length: 120 }, (_, n) => retimed(damaged, n)), sound].map(framed)]);
  const size = statSync(shardFiles(folder)[0]!).size;
  const [whole, remote] = [freshFolder(), freshFolder()];
  const more = ['--max-quarantine', '1'];
  const first = await startPrep(words(folder, whole, ...more), {}).ended;
  expect([first.code, first.stderr]).toEqual([0, '']);
  const server = await serve(folder);
  try {
    await startPrep(words(server.url, remote, ...more, '--episodes', '118'), {}).ended;
    expect((await stored(remote)).ledger.size).toBe(118);
    server.sent = 0;
    const { code, stderr } = await startPrep(words(server.url, remote, ...more), {}).ended;
    expect([code, stderr]).toEqual([0, '']);
    // One window of 8 MiB at the beginning, 64 KiB for the header of each recorded episode, and what is new.
    expect(server.sent).toBeLessThan(size / 2);
  } finally {
    await server.close();
  }
  expect((await contents(remote)).same).toEqual((await contents(whole)).same);
}, 300_000);

it('a password and a signature are in no table and in no line that is printed', async () => {
  const store = freshFolder();
  const server = await serve(DEMO);
  try {
    const root = `${server.url.replace('http://', 'http://me:very-s@cret@')}/droid_101/1.0.1`;
    const said: string[] = [];
    for (const more of [['--dry-run'], [], ['--json'], ['--replace', '--json']]) {
      const { code, stdout, stderr } = await startPrep(words(root, store, ...more), {}).ended;
      expect([code, stderr]).toEqual([0, '']);
      said.push(stdout);
    }
    for (const wrong of [root.replace('1.0.1', '9.9.9'), `${root}?token=very-signed`]) {
      const { code, stderr } = await startPrep(words(wrong, store), {}).ended;
      expect(code).toBe(1);
      said.push(stderr);
    }
    said.push(await everyCell(store));
    for (const text of said) expect(text).not.toMatch(/cret|signed/);
    expect(said.at(-1)).toContain(server.url.replace('http://', ''));
  } finally {
    await server.close();
  }
}, 300_000);

/** All tables of a store with their metadata as text, pictures and numbers included. */
async function everyCell(store: string): Promise<string> {
  const connection = await connect(store);
  const tables = await Promise.all((await connection.tableNames()).map((name) => connection.openTable(name)));
  const texts = await Promise.all(
    tables.map(async (table) => {
      const rows = await table.query().toArray();
      const cells = rows.map((row) =>
        Object.values(row.toJSON()).map((cell) =>
          cell instanceof Uint8Array ? Buffer.from(cell).toString('latin1') : String(cell),
        ),
      );
      return JSON.stringify([[...(await table.schema()).metadata], cells]);
    }),
  );
  return texts.join('\n');
}

const python = pythonWith('moto', 'boto3', 'flask');
describe.skipIf(!python)(python ? 'S3' : 'S3 (skipped: no Python with moto)', () => {
  let stop: () => void = () => undefined;
  let env: Record<string, string> = {};
  beforeAll(async () => {
    const port = await freePort();
    const endpoint = `http://127.0.0.1:${port}`;
    const server = spawn(python!, ['-m', 'moto.server', '-p', `${port}`], { stdio: 'ignore' });
    stop = () => void server.kill('SIGKILL');
    env = {
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'very-secret',
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL: endpoint,
    };
    for (
      let i = 0;
      i < 200 &&
      !(await fetch(endpoint).then(
        () => true,
        () => false,
      ));
      i++
    )
      await sleep(100);
    const upload = `
import boto3, os, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1])
for bucket in ("data", "store"): s3.create_bucket(Bucket=bucket)
for folder, _, names in os.walk(sys.argv[2]):
    for name in names:
        path = os.path.join(folder, name)
        s3.upload_file(path, "data", "sets/" + os.path.relpath(path, sys.argv[2]))
`;
    const { status, stderr } = spawnSync(python!, ['-c', upload, endpoint, DEMO], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  }, 300_000);
  afterAll(() => stop());

  it('as a source gives the same store, and the secret is nowhere', async () => {
    const [local, remote] = [freshFolder(), freshFolder()];
    await ingested(RELEASE, local);
    await ingested('s3://data/sets/droid_101', remote, env);
    expect((await contents(remote)).same).toEqual((await contents(local)).same);
    const leaks = spawnSync('grep', ['-rl', 'very-secret', remote], { encoding: 'utf8' });
    expect(leaks.stdout).toBe('');
    // Lance may compress what it stores.
    expect(await everyCell(remote)).not.toContain('very-secret');
  }, 300_000);

  it('as a store: written, killed, gone on with, and equal to a local one', async () => {
    const local = freshFolder();
    await ingested(RELEASE, local);
    for (const share of [0.9, 1.3, 1.7]) {
      const run = startPrep(words(RELEASE, 's3://store/one', '--episodes', '2'), { env });
      await Promise.race([sleep(1000 * share), run.ended]);
      run.process.kill('SIGKILL');
      await run.ended;
    }
    await ingested(RELEASE, 's3://store/one', env);
    // The reader of these tests runs in this process and finds the server by its surroundings.
    Object.assign(process.env, env);
    try {
      expect((await contents('s3://store/one')).same).toEqual((await contents(local)).same);
    } finally {
      for (const name of Object.keys(env)) delete process.env[name];
    }
    const relabel = await startPrep(['relabel', 's3://store/one', '--dt', '0.1'], { env }).ended;
    expect(relabel.code).not.toBe(0);
    expect(relabel.stderr).toMatch(/object store|rename|local/i);
  }, 180_000);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
