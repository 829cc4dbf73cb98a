/** Whether the process that wrote something still lives. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { PrepError } from '../schemas/errors.ts';

export interface ProcessMark {
  readonly host: string;
  readonly pid: number;
  /** Start time in clock ticks since boot, '' where the system has no /proc: tells a reused pid from the old owner. */
  readonly processStart: string;
}

/** Silence (ms) after which the owner of a part on *another* host counts as gone. */
export const SILENCE_LIMIT = 10 * 60_000;

export const ownProcess = (): ProcessMark => ({
  host: hostname(),
  pid: process.pid,
  processStart: processStart(process.pid),
});

export function isOwnProcess(mark: ProcessMark): boolean {
  const own = ownProcess();
  return mark.host === own.host && mark.pid === own.pid && mark.processStart === own.processStart;
}

/** Field 22 of /proc/<pid>/stat; the name in field 2 may hold spaces and parentheses, so count from its last ')'. */
function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return '';
    throw cause;
  }
}

/** On this host by pid and start time, elsewhere by the age of its last sign of life (`silence`, ms). */
export function isAlive(mark: ProcessMark, silence: number): boolean {
  if (mark.host !== hostname()) return silence < SILENCE_LIMIT;
  if (!pidExists(mark.pid)) return false;
  const start = processStart(mark.pid);
  return start === '' || mark.processStart === '' || start === mark.processStart;
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EPERM') return true;
    if (code === 'ESRCH') return false;
    throw new PrepError({ code: 'store', found: `cannot ask for process ${pid}`, cause });
  }
}
