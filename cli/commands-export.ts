/** Definition of `prep export`. Only words here; the work is imported on use. */
import { type Command, Option } from 'commander';

export function addExportCommand(program: Command, set: (code: number) => void): void {
  program
    .command('export')
    .argument('<store>', 'the store')
    .description('copy a plan, in draw order, or a dataset into files for trainers that cannot read Lance')
    .addOption(new Option('--plan <id>', 'rows of a plan, in draw order').conflicts('dataset'))
    .option('--dataset <name>', 'kept episodes of a dataset, whole, by their ids')
    .addOption(
      new Option('--format <name>', 'what to write').choices(['lerobot', 'webdataset', 'mds']).makeOptionMandatory(),
    )
    .requiredOption('--out <dir>', 'folder to make; an interrupted export is gone on with')
    .option('--range <from:to>', 'only these draws (with --dataset: these of the kept episodes)')
    .option('--shard-size <rows>', 'rows per file (default 4096); files of a dataset end with an episode')
    .option('--json', 'machine-readable output')
    .addHelpText('after', EXAMPLES)
    .action(async (store, options, command) => {
      if (options.plan === undefined && options.dataset === undefined)
        command.error('error: give --plan <id> or --dataset <name>');
      set(await (await import('./export.ts')).exportCommand(store, options));
    });
}

const EXAMPLES = `
Examples:
  prep export ./store --plan 6ad53b025b85 --format webdataset --out ./tars
  prep export ./store --dataset droid --format lerobot --out ./droid_lerobot
`;
