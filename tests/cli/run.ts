/** Running `prep` as its users do: a process of its own, with words in and an exit code out. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Prep {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when a line of stderr fits, or when the process is gone. */
  said(words: RegExp): Promise<void>;
}

export interface How {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Options of Node itself. */
  readonly node?: readonly string[];
}

const ENTRY = fileURLToPath(new URL('entry.ts', import.meta.url));
const left = new Set<ChildProcess>();
afterAll(() => {
  for (const child of left) child.kill('SIGKILL');
});

export function startPrep(words: readonly string[], { cwd, env = {}, node = [] }: How = {}): Prep {
  // Vitest sets FORCE_COLOR, which would make Node print a warning beside NO_COLOR.
  const { FORCE_COLOR: _, ...outside } = process.env;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...node, ENTRY, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...outside, NO_COLOR: '1', ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  left.add(child);
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk) => {
      text[name] += chunk;
    });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => {
      left.delete(child);
      resolve({ code, signal, ...text });
    });
  });
  const lines = createInterface({ input: child.stderr });
  const said = (words: RegExp): Promise<void> =>
    new Promise((resolve) => {
      if (words.test(text.stderr)) resolve();
      lines.on('line', (line) => words.test(line) && resolve());
      child.on('close', () => resolve());
    });
  return { process: child, ended, said };
}

export const prep = (...words: string[]): Promise<Ended> => startPrep(words).ended;

/** Runs with `--json`; fails with what was printed when stdout is no JSON. */
export async function prepJson<T = Record<string, unknown>>(
  ...words: string[]
): Promise<{ code: number | null; value: T }> {
  const { code, stdout, stderr } = await prep(...words, '--json');
  try {
    return { code, value: JSON.parse(stdout) };
  } catch (cause) {
    throw new Error(`prep ${words.join(' ')}: no JSON but ${JSON.stringify(stdout)}\n${stderr}`, { cause });
  }
}
