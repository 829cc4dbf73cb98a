/** What a child process costs: CPU of all its threads and waited-for children, peak resident memory. Linux (/proc). */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Cost {
  /** User and system seconds of the whole process, from start to exit. */
  readonly cpu: number;
  readonly wall: number;
  /** MB (1e6 bytes), high-water mark of the process itself. */
  readonly rss: number;
  readonly stdout: string;
}

/** /proc counts processor time in ticks of 10 ms on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** VmHWM only rises, so that a poll misses at most what the last moments add. */
const POLL_MS = 20;

/** @throws Error with the end of stderr when the command does not exit with 0 */
export async function measured(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Cost> {
  const before = childTicks();
  const start = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let [stdout, stderr, rss] = ['', '', 0];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr = (stderr + text).slice(-4000);
  });
  const watch = setInterval(() => {
    rss = Math.max(rss, highWater(child.pid!));
  }, POLL_MS);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${stderr}`);
  } finally {
    clearInterval(watch);
  }
  const wall = (performance.now() - start) / 1000;
  return { cpu: (childTicks() - before) / TICKS_PER_SECOND, wall, rss, stdout };
}

/** Fields 16 and 17 of /proc/self/stat: user and system time of children that ended; runs therefore go one by one. */
function childTicks(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[13]) + Number(fields[14]);
}

function highWater(pid: number): number {
  try {
    const kib = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return (Number(kib ?? 0) * 1024) / 1e6;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return 0; // it has just ended
    throw cause;
  }
}
