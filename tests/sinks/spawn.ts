/** Starting `writer.ts` and watching it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { WriterOptions } from './writer-options.ts';

export interface Line {
  readonly event: 'open' | 'commit' | 'done' | 'error';
  readonly code?: string;
  readonly message?: string;
  readonly groups?: number;
}

export interface Writer {
  readonly process: ChildProcess;
  readonly lines: Line[];
  /** Resolves with the lines when the process is gone. */
  readonly ended: Promise<Line[]>;
  /** Resolves when the process has printed a line that fits or is gone. */
  until(fits: (line: Line) => boolean): Promise<void>;
  /** Resolves when the process has stopped itself. */
  stopped(): Promise<void>;
}

const script = fileURLToPath(new URL('./writer.ts', import.meta.url));

export function startWriter(options: WriterOptions, shell: (command: string) => string = (command) => command): Writer {
  const command = shell(`exec "$0" "$1" "$2"`);
  const child = spawn('bash', ['-c', command, process.execPath, script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // A test that fails while its writer is stopped must not leave it behind.
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const lines: Line[] = [];
  const watchers = new Set<() => void>();
  const wake = () => {
    for (const watcher of watchers) watcher();
  };
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(JSON.parse(text));
    wake();
  });
  let gone = false;
  const ended = new Promise<Line[]>((resolve) => {
    child.on('close', () => {
      gone = true;
      wake();
      resolve(lines);
    });
  });
  const until = (fits: (line: Line) => boolean) =>
    new Promise<void>((resolve) => {
      const watcher = () => {
        if (!gone && !lines.some(fits)) return;
        watchers.delete(watcher);
        resolve();
      };
      watchers.add(watcher);
      watcher();
    });
  return { process: child, lines, ended, until, stopped: () => untilStopped(child, () => gone) };
}

/** Linux tells no one but the parent's waitpid, which Node keeps to itself, so the state is read from /proc. */
async function untilStopped(child: ChildProcess, isGone: () => boolean): Promise<void> {
  while (!isGone()) {
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
