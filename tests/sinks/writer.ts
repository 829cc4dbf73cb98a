/**
 * A process that ingests synthetic episodes through the Lance sink, for tests that kill, stop or starve it.
 * Arguments: one JSON object, see `WriterOptions`. Prints one JSON line per event.
 */
import { PrepError } from '../../schemas/errors.ts';
import { openLanceSink } from '../../sinks/lance.ts';
import { connectStore, type LanceTable } from '../../sinks/store.ts';
import { episodeName, syntheticEpisode, syntheticShape } from './synthetic.ts';
import { type HaltPoint, type WriterOptions, writerSize } from './writer-options.ts';

const options: WriterOptions = JSON.parse(process.argv[2] ?? '{}');
if (options.halt) await haltAt(options.store, options.halt);
await ingest();

async function ingest(): Promise<void> {
  const { store, index, of, episodes, groupBytes, takeOver = false } = options;
  const shape = syntheticShape();
  const run = { command: 'test', options: {}, versions: {} };
  try {
    const sink = await openLanceSink({ store, shape, part: { index, of }, run, groupBytes, takeOver });
    say({ event: 'open', recorded: sink.recorded.size });
    for (let at = index; at < episodes; at += of) {
      if (sink.recorded.byEpisode(episodeName(at))) continue;
      const groups = sink.stats.groups;
      await sink.add(syntheticEpisode(at, writerSize(options.imageBytes), shape));
      if (sink.stats.groups > groups) say({ event: 'commit', groups: sink.stats.groups });
    }
    await sink.close({ state: 'done', summary: sink.stats });
    say({ event: 'done' });
  } catch (cause) {
    if (!(cause instanceof PrepError)) throw cause;
    say({ event: 'error', code: cause.code, message: cause.message });
    process.exitCode = 1;
  }
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Makes LanceDB's table methods send this process a signal at a chosen write; the sink's code knows nothing of it. */
async function haltAt(store: string, halt: NonNullable<WriterOptions['halt']>): Promise<void> {
  const { connection } = await connectStore(store);
  const names = await connection.tableNames();
  const proto: LanceTable = Object.getPrototypeOf(await connection.openTable(names[0]!));
  let reached = 0;
  const reach = (point: HaltPoint) => {
    if (point === halt.point && ++reached === halt.nth) process.kill(process.pid, halt.signal);
  };
  const { add, mergeInsert } = proto;
  proto.add = async function (this: LanceTable, ...given) {
    const steps = this.name.endsWith('_steps');
    if (steps) reach('before-steps');
    const result = await add.apply(this, given);
    if (steps) reach('after-steps');
    return result;
  };
  // The first merge on `key` of a run is its `own` event, which is not a commit.
  let events = 0;
  proto.mergeInsert = function (this: LanceTable, on) {
    if (on === 'key' && ++events > 1) reach('before-commit');
    if (on === 'commit_key') reach('before-ledger');
    return mergeInsert.call(this, on);
  };
}
