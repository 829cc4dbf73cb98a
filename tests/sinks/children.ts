/** Running `child.ts` to its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ChildPlan } from './child.ts';

export interface ChildEvent {
  readonly event: 'opened' | 'signal' | 'closed' | 'failed';
  readonly code?: string;
  readonly message?: string;
}

const SCRIPT = fileURLToPath(new URL('child.ts', import.meta.url));

/** What the process said until it ended or was killed. */
export async function runChild(plan: ChildPlan): Promise<ChildEvent[]> {
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(plan)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const events: ChildEvent[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line)));
  await once(child, 'close');
  return events;
}
