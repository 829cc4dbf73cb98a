/**
 * A process that ingests made-up episodes through the Lance sink, for tests that let it die at a chosen write.
 * Usage: node child.ts '<ChildPlan as JSON>'. Prints one JSON line per event: opened, committed, failed, closed.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { openLanceSink } from '../../sinks/lance.ts';
import { syntheticEpisode, syntheticShape } from './synthetic.ts';

export interface ChildPlan {
  readonly store: string;
  readonly part: { readonly index: number; readonly of: number };
  /** Episodes 0 … episodes − 1 whose index modulo `of` is the part's. */
  readonly episodes: number;
  /** It kills itself right after the nth write of a kind to a table. */
  readonly at?: {
    readonly table: string;
    readonly write: 'add' | 'merge' | 'delete';
    readonly nth: number;
  };
}

const CHILD_STEPS = 12;
const IMAGE_BYTES = 1500;
/** Four or five episodes. */
const GROUP_BYTES = 5 * CHILD_STEPS * IMAGE_BYTES * 2;
const childEpisode = (index: number) =>
  syntheticEpisode(index, { steps: CHILD_STEPS, imageBytes: IMAGE_BYTES }, syntheticShape());

interface Writes {
  readonly name: string;
  add(...args: unknown[]): Promise<unknown>;
  delete(...args: unknown[]): Promise<unknown>;
  mergeInsert(...args: unknown[]): Merge;
}
interface Merge {
  whenNotMatchedInsertAll(): Merge;
  execute(...args: unknown[]): Promise<unknown>;
}

/** Puts death behind a write of LanceDB itself, so that the sink's code runs as it is. */
export function dieAt(at: NonNullable<ChildPlan['at']>): void {
  const require = createRequire(import.meta.url);
  const dist = dirname(require.resolve('@lancedb/lancedb'));
  const { LocalTable } = require(join(dist, 'table.js')) as { LocalTable: { prototype: Writes } };
  const { MergeInsertBuilder } = require(join(dist, 'merge.js')) as {
    MergeInsertBuilder: { prototype: Merge };
  };
  let count = 0;
  const done = (name: string, write: string) => {
    if (name !== at.table || write !== at.write || ++count !== at.nth) return;
    report({ event: 'signal' });
    process.kill(process.pid, 'SIGKILL');
  };
  const { add, delete: remove, mergeInsert } = LocalTable.prototype;
  const { execute } = MergeInsertBuilder.prototype;
  const names = new WeakMap<Merge, string>();
  LocalTable.prototype.add = async function (this: Writes, ...args) {
    const result = await add.apply(this, args);
    done(this.name, 'add');
    return result;
  };
  LocalTable.prototype.delete = async function (this: Writes, ...args) {
    const result = await remove.apply(this, args);
    done(this.name, 'delete');
    return result;
  };
  LocalTable.prototype.mergeInsert = function (this: Writes, ...args) {
    const { name } = this;
    const builder = mergeInsert.apply(this, args);
    const insert = builder.whenNotMatchedInsertAll.bind(builder);
    builder.whenNotMatchedInsertAll = () => {
      const next = insert();
      names.set(next, name);
      return next;
    };
    return builder;
  };
  MergeInsertBuilder.prototype.execute = async function (this: Merge, ...args) {
    const result = await execute.apply(this, args);
    done(names.get(this) ?? '', 'merge');
    return result;
  };
}

const report = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

async function main(plan: ChildPlan): Promise<void> {
  if (plan.at) dieAt(plan.at);
  const sink = await openLanceSink({
    store: plan.store,
    shape: syntheticShape(),
    part: plan.part,
    run: { command: 'ingest', options: {}, versions: {} },
    groupBytes: GROUP_BYTES,
  });
  report({ event: 'opened', recorded: sink.recorded.size });
  for (let index = plan.part.index; index < plan.episodes; index += plan.part.of) {
    const outcome = childEpisode(index);
    if (!sink.recorded.byEpisode(outcome.ledger.episode)) await sink.add(outcome);
  }
  await sink.close({ state: 'done', summary: { episodes: plan.episodes } });
  report({ event: 'closed', ...sink.stats });
}

if (process.argv[1]?.endsWith('child.ts')) {
  try {
    await main(JSON.parse(process.argv[2]!));
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    report({ event: 'failed', code, message });
    process.exitCode = 1;
  }
}
