/** A shard, opened again by a process that has none of the writer's memory, against the plan and the rows it was made of. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PrepError } from '../../schemas/errors.ts';
import type { ShardEntry } from '../../sinks/shards.ts';

const PROCESS = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './compare-process.ts' : './compare-process.js', import.meta.url),
);

/** @returns rows compared byte for byte. @throws PrepError `store` naming the shard and what differs */
export async function compareInFreshProcess(store: string, entry: ShardEntry): Promise<number> {
  const args = ['--disable-warning=ExperimentalWarning', PROCESS, store, JSON.stringify(entry)];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 20 });
    return (JSON.parse(stdout) as { compared: number }).compared;
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr?.trim().split('\n').at(-1);
    throw new PrepError({
      code: 'store',
      at: { store, shard: entry.table },
      expected: 'to read back what was written',
      found: said || String(cause),
      remedy: 'run the same command again: the shard was not published',
      cause,
    });
  }
}
