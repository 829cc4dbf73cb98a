/** Definitions of the commands that turn rows into training order. Only words here; the work is imported on use. */
import { type Command, Option } from 'commander';

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
    .option('--report', 'also what each rule took of which task, and where calibration comes from', false)
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
    .action(async (store, _, command: Command) =>
      set(await (await import('./plan.ts')).planList(store, command.optsWithGlobals())),
    );
  plan
    .command('show')
    .argument('<store>', 'the store')
    .argument('<plan>', 'id of a plan')
    .description('segments and report of a plan')
    .option('--json', 'machine-readable output')
    .action(async (store, id, _, command: Command) =>
      set(await (await import('./plan.ts')).planShow(store, id, command.optsWithGlobals())),
    );
  plan
    .command('drop')
    .argument('<store>', 'the store')
    .argument('<plan>', 'id of a plan')
    .description('forget a plan; its training shards go with the next gc')
    .option('--json', 'machine-readable output')
    .action(async (store, id, _, command: Command) =>
      set(await (await import('./plan.ts')).planDrop(store, id, command.optsWithGlobals())),
    );
}

export function addShardCommands(program: Command, set: SetCode): void {
  program
    .command('shard')
    .argument('<store>', 'the store')
    .description('copy the rows of a plan, in draw order, into tables that any Lance reader scans')
    .requiredOption('--plan <id>', 'id of a plan')
    .option('--size <draws>', 'draws per shard (default 61440)')
    .option('--shard <i/n>', 'take part i of n: n processes make the shards together')
    .option('--range <from:to>', 'only shards within these draws')
    .option('--replace', 'make stale shards again', false)
    .option('--json', 'machine-readable output')
    .addHelpText('after', '\nExample:\n  prep shard ./store --plan 6ad53b025b85\n')
    .action(async (store, options) => set(await (await import('./shard.ts')).shard(store, options)));
  program
    .command('read')
    .argument('<store>', 'the store')
    .description('stream batches of a plan as a trainer would, and say how fast and what was in them')
    .requiredOption('--plan <id>', 'id of a plan')
    .option('--batch <n>', 'global batch', '256')
    .option('--rank <r>', 'this rank', '0')
    .option('--world <n>', 'ranks; must divide the batch', '1')
    .option('--start <step>', 'global batches that were seen before', '0')
    .option('--batches <n>', 'stop after so many')
    .addOption(new Option('--from <what>', 'default: shards if all are there').choices(['shards', 'plan']))
    .option('--no-images', 'leave the pictures out')
    .option('--features <set>', 'also the features of a set; draws without are counted')
    .option('--report', 'shares, repeats and episode diversity of the batches', false)
    .option('--json', 'machine-readable output')
    .addHelpText(
      'after',
      '\nExample:\n  prep read ./store --plan 6ad53b025b85 --batch 256 --start 1000 --batches 10 --report\n',
    )
    .action(async (store, options) => set(await (await import('./shard.ts')).read(store, options)));
}

export function addReshardCommand(program: Command, set: SetCode): void {
  program
    .command('reshard')
    .argument('<store>', 'the store')
    .description('what a cron job calls: ingest what is new, extend the plan, make its shards, publish; all or nothing')
    .requiredOption('--config <file>', 'sources, mixture, lengths, retention (JSON)')
    .option('--if-stale', 'do nothing where no file is new', false)
    .addHelpText(
      'after',
      '\nExample:\n  prep reshard ./store --config ./nightly.json --if-stale\n\nPrints one JSON line. Exit codes: 0 done, nothing new or another process at it (see "state"), 1 failed, 2 usage,\n130 interrupted (the next run goes on).\n',
    )
    .action(async (store, options) => set(await (await import('./reshard.ts')).reshard(store, options)));
}

const EXAMPLES = `
Examples:
  prep plan ./store --mixture ./stage1.json --steps 100000 --batch 256 --seed 7
  prep plan list ./store
`;
