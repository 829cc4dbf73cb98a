/** `prep` as a process that kills itself right after a chosen write. argv: the write as JSON, then the words. */
import { main } from '../../cli/main.ts';
import { type ChildPlan, dieAt } from '../sinks/child.ts';

const [write, ...words] = process.argv.slice(2) as [string, ...string[]];
dieAt(JSON.parse(write) as NonNullable<ChildPlan['at']>);
process.exitCode = await main(words);
