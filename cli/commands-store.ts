/** Definitions of the commands that work on a store. */
import { type Command, Option } from 'commander';
import { addLabelOptions } from './commands-data.ts';

type SetCode = (code: number) => void;

export function addStoreCommands(program: Command, set: SetCode): void {
  program
    .command('status')
    .argument('<store>', 'folder of the store')
    .description('what is in the store, progress of all parts, what was set aside and why')
    .addOption(new Option('--by <what>', 'what was lost, grouped').choices(['reason', 'lab', 'task']))
    .option('--dataset <name>', 'only this dataset')
    .option('--json', 'machine-readable output')
    .addHelpText('after', '\nExamples:\n  prep status ./store\n  prep status ./store --by reason\n')
    .action(async (store, options) => set(await (await import('./status.ts')).status(store, options)));
  const relabel = program
    .command('relabel')
    .argument('<store>', 'folder of the store')
    .description('make every label again from the tracks, with other options; never opens a frame')
    .option('--dataset <name>', 'which dataset, if the store has several')
    .option('--spec <file>', 'the dataset file or mapping, if it is your own (not needed for new options)')
    .option('--calibration <dir>', 'new side files')
    .option('--json', 'machine-readable output');
  addLabelOptions(relabel)
    .addHelpText(
      'after',
      '\nExamples:\n  prep relabel ./store --dt 2/15\n  prep relabel ./store --reference wrist --steps 16\n  prep relabel ./store --calibration ./karlp\n',
    )
    .action(async (store, options) => set(await (await import('./relabel.ts')).relabel(store, options)));
  upkeep(program, 'compact', 'merge fragments and prune old versions', set);
  upkeep(program, 'gc', 'remove rows and tables that nothing refers to', set).option(
    '--unused-features',
    'also features that no plan uses',
    false,
  );
}

function upkeep(program: Command, name: 'compact' | 'gc', description: string, set: SetCode): Command {
  return program
    .command(name)
    .argument('<store>', 'folder of the store')
    .description(description)
    .option('--dataset <name>', 'only this dataset')
    .option('--dry-run', 'only say what would be done', false)
    .option('--json', 'machine-readable output')
    .addHelpText('after', `\nExample:\n  prep ${name} ./store\n`)
    .action(async (store, options) => set(await (await import('./upkeep.ts'))[name](store, options)));
}
