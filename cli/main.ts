/** argv in, exit code out. Each command's code and its libraries are loaded only when it runs: `--help` stays fast. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { EXIT, PrepError } from '../schemas/errors.ts';
import { addDataCommands } from './commands-data.ts';
import { addExportCommand } from './commands-export.ts';
import { addFeatureCommands } from './commands-features.ts';
import { addPlanCommands, addReshardCommand, addShardCommands } from './commands-plan.ts';
import { addStatsCommands } from './commands-stats.ts';
import { addStoreCommands } from './commands-store.ts';
import { packageFile } from './package-root.ts';

export async function main(argv: readonly string[]): Promise<number> {
  let code: number = EXIT.done;
  const program = new Command('prep')
    .description(
      'Turns robot datasets into one Lance training table (camera-frame actions, calibrated 256x256 frames) and into exactly weighted training order.',
    )
    .version(version())
    .showHelpAfterError('(add --help for the options and examples)')
    .exitOverride();
  process.stdout.on('error', readerGone);
  const set = (result: number): void => {
    code = result;
  };
  addDataCommands(program, set);
  addPlanCommands(program, set);
  addShardCommands(program, set);
  addStatsCommands(program, set);
  addReshardCommand(program, set);
  addExportCommand(program, set);
  addFeatureCommands(program, set);
  addStoreCommands(program, set);
  program.addHelpText('after', EXAMPLES);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    return failure(error, argv.includes('--json'));
  }
}

const EXAMPLES = `
Examples:
  prep demo                                     the whole way on bundled data, in a minute
  prep datasets                                 what can be ingested
  prep inspect ./droid_101/1.0.1                fields, shapes, ranges of a source
  prep ingest droid --root ./droid_101/1.0.1 --store ./store --calibration ./karlp
  prep status ./store --by reason               what was lost, to which rule
  prep plan ./store --mixture stage1.json --steps 100000 --batch 256 --seed 7
  prep shard ./store --plan 6ad53b025b85        rows in training order, for any Lance reader
  prep features estimate ./store --plan 6ad53b025b85         does a cache of frozen features pay?
  prep reshard ./store --config nightly.json --if-stale      what cron calls

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 too many damaged episodes, 130 interrupted (what is committed stays).
`;

/** `prep … | head` closes the pipe early: nobody is left to print to, which is no fault of the run. */
function readerGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

function version(): string {
  return (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version;
}

const printFault = (error: object, message: string): void =>
  void process.stdout.write(`${JSON.stringify({ error, message })}\n`);

/** One line for a fault of ours, the stack for a bug. */
function failure(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.done;
    // Commander has written its sentence to stderr.
    if (json) printFault({ code: 'usage', at: {} }, error.message.replace(/^error: /, ''));
    return EXIT.usage;
  }
  const known = error instanceof PrepError;
  const text = known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (json) printFault(known ? { code: error.code, at: error.at } : {}, text);
  process.stderr.write(`prep: ${text}\n`);
  const usage = known && ['usage', 'bad-option', 'unknown-dataset'].includes(error.code);
  return usage ? EXIT.usage : EXIT.failed;
}
