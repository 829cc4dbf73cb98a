/** Definitions of the commands that turn rows into training order. Only words here; the work is imported on use. */
import type { Command } from 'commander';

type SetCode = (code: number) => void;

export function addPlanCommands(program: Command, set: SetCode): void {
  const plan = program
    .command('plan')
    .argument('[store]', 'the store')
    .description('draw a weighted mixture: which step is trained on when; reads ledgers, never steps')
    .option('--mixture <file>', 'datasets, weights and rules (JSON)')
    .option('--draws <n>', 'number of draws, a multiple of 16')
    .option('--steps <n>', 'training steps, with --batch instead of --draws')
    .option('--batch <n>', 'global batch')
    .option('--seed <n>', 'another seed is another order', '0')
    .option('--json', 'machine-readable output')
    .addHelpText('after', EXAMPLES)
    .action(async (store, options, command) => {
      if (store === undefined || options.mixture === undefined)
        command.error('error: give a store and --mixture <file>, or one of list, show, drop');
      set(await (await import('./plan.ts')).plan(store, options));
    });
  plan
    .command('list')
    .argument('<store>', 'the store')
    .description('plans of a store')
    .option('--json', 'machine-readable output')
    .action(async (store, options) => set(await (await import('./plan.ts')).planList(store, options)));
  plan
    .command('show')
    .argument('<store>', 'the store')
    .argument('<plan>', 'id of a plan')
    .description('segments and report of a plan')
    .option('--json', 'machine-readable output')
    .action(async (store, id, options) => set(await (await import('./plan.ts')).planShow(store, id, options)));
  plan
    .command('drop')
    .argument('<store>', 'the store')
    .argument('<plan>', 'id of a plan')
    .description('forget a plan; its training shards go with the next gc')
    .option('--json', 'machine-readable output')
    .action(async (store, id, options) => set(await (await import('./plan.ts')).planDrop(store, id, options)));
}

const EXAMPLES = `
Examples:
  prep plan ./store --mixture ./stage1.json --steps 100000 --batch 256 --seed 7
  prep plan list ./store
`;
