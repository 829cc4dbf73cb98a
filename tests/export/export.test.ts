/** `prep export`: what the reference readers find is what this package's own readers find, bit for bit; killed runs leave no trace. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ExportReport } from '../../pipelines/export/export.ts';
import { readShards } from '../../sinks/shards.ts';
import { connectStore } from '../../sinks/store.ts';
import { prep, prepJson, startPrep } from '../cli/run.ts';
import { freshFolder } from '../e2e/demo-set.ts';
import { mixedStore, PAPER, plan } from '../plan/plan-store.ts';
import { readersOf } from './readers.ts';
import { datasetDump, planDump, written } from './rows.ts';

const FORMATS = ['webdataset', 'mds', 'lerobot'] as const;
const DRAWS = 240;

let store: string;
let id: string;
let dumps: { plan: string; dataset: string };
beforeAll(async () => {
  store = await mixedStore();
  const made = await plan(store, PAPER, '--draws', String(DRAWS), '--seed', '5');
  id = made.value.plan;
  dumps = {
    plan: written(await planDump(store, id, DRAWS)),
    dataset: written(await datasetDump(store, 'droid')),
  };
}, 180_000);

const of = {
  plan: () => ['--plan', id, '--shard-size', '100'],
  dataset: () => ['--dataset', 'droid', '--shard-size', '20'],
};

async function exported(format: string, words: readonly string[], out = join(freshFolder(), 'out')) {
  const { code, value } = await prepJson<ExportReport & { error: { code: string }; message: string }>(
    'export',
    store,
    '--format',
    format,
    '--out',
    out,
    ...words,
  );
  return { code, value, out };
}

/** Path → sha-256 of every file. */
function contentsOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    files
      .filter((name) => statSync(join(folder, name)).isFile())
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
      ]),
  );
}

const SCRIPT = fileURLToPath(new URL('test_read.py', import.meta.url));

describe.each(FORMATS)('%s', (format) => {
  describe.each(readersOf(format))('read by $how', ({ python, library }) => {
    it.skipIf(!python).each(['plan', 'dataset'] as const)(
      'holds a %s to the last bit',
      { timeout: 180_000 },
      async (kind) => {
        const { code, value, out } = await exported(format, of[kind]());
        expect([code, value.state]).toEqual([0, 'done']);
        expect(value.shards).toBeGreaterThan(1);
        const env = { ...process.env, HF_HUB_OFFLINE: '1', HF_HOME: freshFolder() };
        const run = promisify(execFile)(python!, [SCRIPT, format, out, dumps[kind], library], { env });
        const { stdout, stderr } = await run.catch((error) => error);
        expect(stdout, stderr).toBe(`0 problems, ${value.rows} rows by ${library}\n`);
      },
    );
  });

  it('is made once: again there is nothing to do, a lost or short file comes back the same', async () => {
    const first = await exported(format, of.plan());
    const before = contentsOf(first.out);
    const again = await exported(format, of.plan(), first.out);
    expect([again.code, again.value.state, again.value.bytes]).toEqual([0, 'nothing-to-do', first.value.bytes]);
    const [row] = Object.keys(before).filter((name) => /000?0?1?\.(tar|mds|parquet)$/.test(name));
    truncateSync(join(first.out, row!), 1000);
    rmSync(join(first.out, row!.includes('parquet') ? 'meta/info.json' : 'index.json'));
    const healed = await exported(format, of.plan(), first.out);
    expect([healed.code, healed.value.state]).toEqual([0, 'done']);
    expect(contentsOf(first.out)).toEqual(before);
    const { units } = JSON.parse(readFileSync(join(first.out, 'prep.json'), 'utf8'));
    for (const { path, sha256 } of units.flatMap(({ files }: { files: { path: string; sha256: string }[] }) => files))
      expect(before[path]).toBe(sha256);
  });

  it('killed anywhere, ends with the same bytes', { timeout: 240_000 }, async () => {
    const started = performance.now();
    const whole = await exported(format, of.plan());
    const milliseconds = performance.now() - started;
    const out = join(freshFolder(), 'out');
    const words = ['export', store, '--format', format, '--out', out, ...of.plan()];
    const kills = Number(process.env.PREP_KILLS ?? 3);
    for (let n = 0; n < kills; n++) {
      const run = startPrep(words);
      await Promise.race([sleep(milliseconds * (0.3 + 0.7 * Math.random())), run.ended]);
      run.process.kill('SIGKILL');
      await run.ended;
    }
    expect((await prep(...words)).code).toBe(0);
    expect(contentsOf(out)).toEqual(contentsOf(whole.out));
  });
});

describe('an export', () => {
  it.each(['mds', 'lerobot'])(
    'as %s goes on after an interrupt, and makes again what was lost meanwhile',
    async (format) => {
      const words = ['--plan', id, '--shard-size', '8'];
      const whole = await exported(format, words);
      const out = join(freshFolder(), 'out');
      const run = startPrep(['export', store, '--format', format, '--out', out, ...words]);
      // As soon as two units count.
      while (run.process.exitCode === null && notes(out) < 2) await sleep(5);
      run.process.kill('SIGINT');
      const { code, stdout } = await run.ended;
      expect(stdout).toMatch(new RegExp(`${format} interrupted`));
      expect(code).toBe(130);
      rmSync(join(out, format === 'mds' ? 'shard.00000.mds' : 'data/chunk-000/file-000.parquet'));
      const rest = await exported(format, words, out);
      expect(rest.value.there).toBeGreaterThan(0);
      expect(rest.value.there + rest.value.made).toBe(30);
      expect(contentsOf(out)).toEqual(contentsOf(whole.out));
    },
  );

  it('by two processes at once is the same', async () => {
    const whole = await exported('webdataset', of.plan());
    const out = join(freshFolder(), 'out');
    const both = await Promise.all([exported('webdataset', of.plan(), out), exported('webdataset', of.plan(), out)]);
    for (const { code, value } of both) if (code !== 0) expect(value.error.code).toBe('store');
    expect((await exported('webdataset', of.plan(), out)).code).toBe(0);
    expect(contentsOf(out)).toEqual(contentsOf(whole.out));
  });

  it('has the order of the training shards', async () => {
    const { code } = await prep('shard', store, '--plan', id, '--size', '100');
    expect(code).toBe(0);
    const open = await connectStore(store);
    const shards = await readShards(open, id);
    open.connection.close();
    for (const format of FORMATS) {
      const { out } = await exported(format, of.plan());
      const { units } = JSON.parse(readFileSync(join(out, 'prep.json'), 'utf8'));
      expect(units.map((unit: { orderHash: string }) => unit.orderHash)).toEqual(
        shards.map(({ orderHash }) => orderHash),
      );
    }
  });

  it('of a range is that part: samples of a draw are the same wherever they lie', async () => {
    const whole = await exported('webdataset', ['--plan', id, '--shard-size', '50']);
    const part = await exported('webdataset', ['--plan', id, '--shard-size', '50', '--range', '100:200']);
    const [a, b] = [contentsOf(whole.out), contentsOf(part.out)];
    expect([b['shard-000000.tar'], b['shard-000001.tar'], b['shard-000002.tar']]).toEqual([
      a['shard-000002.tar'],
      a['shard-000003.tar'],
      undefined,
    ]);
    const one = await exported('lerobot', ['--dataset', 'droid', '--range', '1:2']);
    expect([one.value.episodes, one.value.shards]).toEqual([1, 1]);
  });

  it('says how many rows have no known camera', async () => {
    const { value } = await exported('mds', ['--dataset', 'droid']);
    const dump = await datasetDump(store, 'droid');
    const proprio = dump.arrays.proprio as Float32Array;
    const width = proprio.length / dump.count;
    const unknown = Array.from({ length: dump.count }, (_, i) => proprio.subarray(i * width, (i + 1) * width)).filter(
      (row) => row.some(Number.isNaN),
    );
    expect(value.unknown).toBe(unknown.length);
  });
});

/** Units that count. */
const notes = (out: string): number => {
  try {
    return readdirSync(join(out, '.prep')).filter((name) => /^unit-\d+\.json$/.test(name)).length;
  } catch {
    return 0;
  }
};

describe('is refused', () => {
  it('into a folder with something else', async () => {
    const out = freshFolder();
    writeFileSync(join(out, 'thesis.tex'), '');
    const { code, value } = await exported('mds', of.plan(), out);
    expect([code, value.error.code]).toEqual([2, 'bad-option']);
    expect(value.message).toMatch(/field --out.*an empty folder.*thesis\.tex/);
    expect(readdirSync(out)).toEqual(['thesis.tex']);
    const mine = await exported('mds', of.plan());
    const other = await exported('mds', ['--plan', id, '--shard-size', '99'], mine.out);
    expect([other.code, other.value.error.code]).toEqual([2, 'bad-option']);
    expect(other.value.message).toMatch(/"shardSize":99.*found.*"shardSize":100/);
  });

  it('with words that say nothing or too much', async () => {
    const words = ['export', store, '--out', '/nowhere/out'];
    const outcome = async (...more: string[]) => {
      const { code, stderr } = await prep(...words, ...more);
      return [code, stderr];
    };
    expect(await outcome('--format', 'mds')).toEqual([2, expect.stringMatching(/give --plan <id> or --dataset/)]);
    expect(await outcome('--format', 'zarr', '--plan', id)).toEqual([2, expect.stringMatching(/Allowed choices/)]);
    expect(await outcome('--plan', id)).toEqual([2, expect.stringMatching(/--format .*not specified/)]);
    expect(await outcome('--format', 'mds', '--plan', id, '--dataset', 'droid')).toEqual([
      2,
      expect.stringMatching(/cannot be used with/),
    ]);
    expect(await outcome('--format', 'mds', '--plan', 'nothing')).toEqual([
      1,
      expect.stringMatching(/unknown-plan .*no such plan/),
    ]);
    expect(await outcome('--format', 'mds', '--dataset', 'droyd')).toEqual([
      2,
      expect.stringMatching(/unknown-dataset .*droyd/),
    ]);
    for (const range of ['9', '5:5', '0:241'])
      expect(await outcome('--format', 'mds', '--plan', id, '--range', range)).toEqual([
        2,
        expect.stringMatching(/bad-option \(field --range\)/),
      ]);
    expect(await outcome('--format', 'mds', '--dataset', 'droid', '--range', '0:99')).toEqual([
      2,
      expect.stringMatching(/expected episodes within 0:\d+, found 0:99/),
    ]);
  });

  it('where nothing can be written, with a sentence', async () => {
    const file = join(freshFolder(), 'file');
    writeFileSync(file, '');
    const { code, value } = await exported('mds', of.plan(), join(file, 'out'));
    expect(code).toBe(1);
    expect(value.message).toMatch(/^store \(file .*ENOTDIR.*run the export again/);
  });
});
