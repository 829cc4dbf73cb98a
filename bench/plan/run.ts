/**
 * What does planning cost at the paper's size? Four ledgers with the counts of its datasets (95 658, 1 M, 630 k, 244 k episodes;
 * 1.26 G steps), no step rows; then `prep plan` of 25.6 M draws, and readers opened anywhere in it.
 *
 *     node bench/plan/run.ts --store DIR [--share 1] [--draws 25600000] [--json FILE]
 *
 * The store is made where the folder is empty, and stays. `--share 0.01` makes a hundredth of the episodes.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { LedgerEntry } from '../../schemas/episode.ts';
import { ledgerTable } from '../../sinks/arrow-rows.ts';
import { closeTables, openTables } from '../../sinks/tables.ts';
import { syntheticShape } from '../../tests/sinks/synthetic.ts';

const { values: flags } = parseArgs({
  options: {
    store: { type: 'string' },
    share: { type: 'string', default: '1' },
    draws: { type: 'string', default: '25600000' },
    json: { type: 'string' },
  },
});
/** Name, weight, episodes, steps in all. */
const SETS = [
  ['droid', 5, 95_658, 18_900_000],
  ['agibot', 5, 1_000_000, 321_000_000],
  ['interndata_a1', 4, 630_000, 800_000_000],
  ['interndata_m1', 1, 244_000, 120_000_000],
] as const;
const ROWS_PER_ADD = 20_000;

const store = flags.store!;
if (!existsSync(store)) await makeLedgers(Number(flags.share));
const mixture = join(store, 'mixture.json');
writeFileSync(
  mixture,
  JSON.stringify({
    preset: 'apt-stage2',
    tool: 'native',
    entries: SETS.map(([dataset, weight]) => ({ dataset, weight })),
  }),
);
const entry = fileURLToPath(new URL('../../tests/cli/entry.ts', import.meta.url));
const planned = measured([
  entry,
  'plan',
  store,
  '--mixture',
  mixture,
  '--draws',
  flags.draws,
  '--seed',
  String(Date.now() % 1e6),
  '--json',
]);
const { plan } = JSON.parse(planned.stdout) as { plan: string };
const opened = [0, 1_000_000, 25_000_000]
  .filter((draw) => draw < Number(flags.draws))
  .map((draw) => {
    const one = measured([fileURLToPath(import.meta.url).replace('run.ts', 'open.ts'), store, plan, String(draw)]);
    return { draw, ...JSON.parse(one.stdout) };
  });
const result = { plan: { seconds: planned.seconds, cpu: planned.cpu, megabytes: planned.megabytes }, opened };
process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
if (flags.json) writeFileSync(flags.json, JSON.stringify(result, null, 1));

/** A child process: wall seconds, CPU seconds and largest resident set, by GNU time. */
function measured(args: readonly string[]) {
  const report = join(store, 'time.txt');
  const stdout = execFileSync('/usr/bin/time', ['-f', '%e %U %S %M', '-o', report, process.execPath, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const [wall, user, system, kilobytes] = execFileSync('cat', [report], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .at(-1)!
    .split(' ')
    .map(Number);
  return { stdout, seconds: wall!, cpu: user! + system!, megabytes: Math.round(kilobytes! / 1000) };
}

async function makeLedgers(share: number): Promise<void> {
  mkdirSync(store, { recursive: true });
  for (const [name, , episodes, steps] of SETS) {
    const shape = syntheticShape(name, {}, 32);
    const tables = await openTables(store, shape);
    const count = Math.round(episodes * share);
    for (let from = 0; from < count; from += ROWS_PER_ADD) {
      const rows = Array.from({ length: Math.min(ROWS_PER_ADD, count - from) }, (_, i) =>
        ledgerRow(name, from + i, steps / episodes),
      );
      await tables.ledger.add(ledgerTable(rows));
    }
    closeTables(tables);
    process.stderr.write(`${name}: ${count} episodes\n`);
  }
}

/** Episodes of about the mean length, with what a real ledger has: an instruction of some thousands, calibration, flags. */
function ledgerRow(dataset: string, index: number, mean: number) {
  const length = Math.max(2, Math.round(mean * (0.5 + ((index * 7919) % 1000) / 1000)));
  const key = BigInt.asUintN(63, BigInt(index + 1) * 0x9e3779b97f4a7c15n);
  const calibration = (quality: 'good' | 'unchecked') => ({
    source: 'release',
    intrinsics_source: 'release',
    quality,
    reason: null,
    detail: null,
    measures: { tool_in_view: 1 },
  });
  const entryOf: LedgerEntry = {
    episode: `${dataset}/${String(index).padStart(9, '0')}`,
    episodeKey: key,
    sourceId: `gs://bucket/${dataset}/${index}`,
    shard: `shard-${index >> 6}`,
    record: { split: 'train', shard: `shard-${index >> 6}`, record: index & 63, offset: 0, length: 1_000_000 },
    length,
    robot: 'toy',
    hz: 15,
    instructions: [`task number ${index % 3000} of ${dataset}`],
    segments: [],
    split: 'train',
    success: true,
    state: 'kept',
    reason: '',
    detail: '',
    flagRuns: index % 4 === 0 ? [{ flag: 'idle', start: 0, end: 3 }] : [],
    calibration: { ext1: calibration('unchecked'), hand: calibration('good') },
    sourceDigest: key.toString(16).padStart(64, '0'),
    fingerprint: 'a-b',
  };
  return {
    entry: entryOf,
    rows: length,
    firstRow: BigInt(index) * 1000n,
    group: 1_000_001n,
    run: 'r000001',
    attempt: 1,
  };
}
