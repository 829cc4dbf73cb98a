/** Definition of the command that makes statistics. Only words here; the work is imported on use. */
import type { Command } from 'commander';

type SetCode = (code: number) => void;

export function addStatsCommands(program: Command, set: SetCode): void {
  program
    .command('stats')
    .argument('<store>', 'the store')
    .description('statistics for normalisation; reads rows of new episodes only, and never a picture')
    .option('--plan <id>', 'of what a plan draws, weighted as it draws')
    .option('--mixture <file>', 'of what a plan of this mixture would draw')
    .option('--out <file>', 'write the JSON there')
    .option('--json', 'machine-readable output')
    .addHelpText('after', EXAMPLES)
    .action(async (store, options) => set(await (await import('./stats.ts')).stats(store, options)));
}

const EXAMPLES = `
Without --plan and --mixture: of every dataset as it is stored, every step counting once.

Examples:
  prep stats ./store --plan 6ad53b025b85 --out stats.json
  prep stats ./store
`;
