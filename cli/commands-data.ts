/** Definitions of the commands that read sources. Only words here; the work is imported on use. */
import { type Command, Option } from 'commander';

type SetCode = (code: number) => void;

export function addDataCommands(program: Command, set: SetCode): void {
  addIngest(program, set);
  program
    .command('demo')
    .description(
      'the whole way on the bundled DROID episodes: ingest, check, plan, shard, read back; prints what it made and where',
    )
    .option('--store <dir>', 'where to put the store', './prep-demo')
    .option('--json', 'machine-readable output')
    .action(async (options) => set(await (await import('./demo.ts')).demo(options)));
  program
    .command('datasets')
    .description('what can be ingested, with cameras, arms and where calibration comes from')
    .option('--json', 'machine-readable output')
    .option('--markdown', 'as the table of the README', false)
    .action(async (options) => set(await (await import('./datasets.ts')).datasets(options)));
  program
    .command('inspect')
    .argument('<path>', 'folder of an RLDS, LeRobot or HDF5 dataset, or an HDF5 file')
    .description(
      'fields, shapes, ranges, first values and defects of a source that is not known yet, from a few episodes',
    )
    .option('--propose', 'write a first mapping from what is seen; what no number proves is listed in it as a guess')
    .option('--out <file>', 'new file for the mapping (default: stdout)')
    .option('--json', 'machine-readable output')
    .addHelpText(
      'after',
      '\nExamples:\n  prep inspect ./droid_101/1.0.1\n  prep inspect ./my_dataset --propose --out mapping.json\n',
    )
    .action(async (path, options) => set(await (await import('./inspect.ts')).inspect(path, options)));
}

function addIngest(program: Command, set: SetCode): void {
  const command = program
    .command('ingest')
    .argument('<dataset>', 'a name of `prep datasets`, a mapping (.json), or a file that exports a DatasetSpec')
    .description('read a dataset as published and write its step rows, ledger and tracks to a store')
    .requiredOption('--root <path>', 'folder of the dataset as published, or its address (https, s3, gs, hf)')
    .requiredOption('--store <dir>', 'folder of the store (a Lance database), or s3://bucket/prefix')
    .option('--mapping <file>', 'for lerobot and hdf5: the file that says what the fields mean')
    .option('--as <name>', "name of the tables, if not the dataset's")
    .option(
      '--calibration <dir>',
      'folder with camera poses and intrinsics published apart, for datasets that take one: see `prep datasets`',
    )
    .option('--exclude <file>', 'ids to set aside, one per line, optionally a tab and the reason');
  addLabelOptions(command);
  addPixelOptions(command);
  addRunOptions(command);
  command
    .addHelpText('after', INGEST_EXAMPLES)
    .action(async (dataset, options) => set(await (await import('./ingest.ts')).ingest(dataset, options)));
}

/** Options that `prep ingest` and `prep relabel` share. */
export function addLabelOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--reference <role>', 'camera in whose axes actions are given').choices(['third', 'wrist', 'base']),
    )
    .option('--dt <seconds>', 'time between chunk steps (default 1/15; a fraction is fine)')
    .option('--steps <n>', 'steps per chunk (default 32)')
    .addOption(
      new Option('--tool <frame>', "EE frame: the dataset's own, or the tool between the fingertips").choices([
        'native',
        'canonical',
      ]),
    )
    .addOption(new Option('--rot6d <layout>', 'first two rows or columns of the rotation').choices(['rows', 'columns']))
    .addOption(new Option('--gripper-interpolation <how>', 'between recorded steps').choices(['linear', 'hold']));
}

function addPixelOptions(command: Command): void {
  command
    .option('--third <camera>', 'source camera in the role third, or best (default best)')
    .option('--third2 <camera>', 'second exterior camera in the same row: none, other or a name (default none)')
    .addOption(new Option('--fit <how>', 'how frames become 256x256').choices(['letterbox', 'crop', 'stretch']))
    .option('--jpeg-quality <n>', 'quality of the stored JPEG (default 95)')
    .addOption(new Option('--jpeg-subsampling <s>', 'chroma of the stored JPEG').choices(['4:4:4', '4:2:0']));
}

function addRunOptions(command: Command): void {
  command
    .option('--workers <n>', 'pixel threads (default: the cores)')
    .option('--shard <i/n>', 'take part i of n (0/n … n-1/n): n processes fill one store together')
    .option('--episodes <n>', 'stop after n episodes of this part')
    .option('--partial', 'go on although shards of the set are missing', false)
    .option('--max-quarantine <share>', 'largest share of damaged episodes (default 0.05)')
    .option('--retry <reason>', 'do episodes again that were set aside for this reason (repeatable)', collect, [])
    .option('--index-only', 'ledger and tracks only, no frame is decoded: enough for `prep plan`', false)
    .option('--plan <id>', 'of episodes in the index: read and decode only what this plan draws and the store lacks')
    .option('--replace', 'drop the tables of this dataset first', false)
    .option('--take-over', 'take a part whose owner on another host is known to be dead', false)
    .option('--dry-run', 'print the plan and stop', false)
    .option('--json', 'machine-readable output');
}

const collect = (value: string, before: string[]): string[] => [...before, value];

const INGEST_EXAMPLES = `
Examples:
  prep ingest droid --root ./droid_101/1.0.1 --store ./store --calibration ./karlp
  prep ingest droid --root ./droid_101/1.0.1 --store ./store --partial --episodes 50   a first look at 5 of 2048 shards
  prep ingest droid --root ./droid_101/1.0.1 --store ./store --shard $SLURM_ARRAY_TASK_ID/64
  prep ingest droid --root ./droid_101/1.0.1 --store ./store --third2 other --reference wrist --as droid_wrist
  prep ingest bridge --root ./bridge_dataset/1.0.0 --store ./store --reference base
  prep ingest lerobot --mapping ./mapping.json --root ./my_dataset --store ./store   your own; prep inspect --propose starts the mapping
  prep ingest droid --root ./droid_101/1.0.1 --store ./store --index-only        then prep plan, then
  prep ingest droid --root ./droid_101/1.0.1 --store ./store --plan 6ad53b025b85  only the rows of that plan
  prep ingest droid --root ./droid_101/1.0.1 --store ./store --dry-run --json

Run it again after a stop of any kind: it goes on where it was. Exit codes: 0 done, 1 failed, 2 usage, 3 over the
failure budget, 130 interrupted.
`;
