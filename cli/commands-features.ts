/** Definitions of the commands on stage-1 features. Only words here; the work is imported on use. */
import { type Command, Option } from 'commander';

type SetCode = (code: number) => void;

export function addFeatureCommands(program: Command, set: SetCode): void {
  const features = program
    .command('features')
    .description('frozen Qwen3-VL features of what a plan draws: what keeping them costs, making them, what there is');
  addEstimate(features, set);
  addRun(features, set);
  addKeeping(features, set);
}

function addEstimate(features: Command, set: SetCode): void {
  features
    .command('estimate')
    .argument('<store>', 'the store')
    .description('frames, bytes, GPU time, money and break-even of a feature cache, before anything runs')
    .option('--plan <id>', 'frames that a plan draws; latest: of the newest generation')
    .option('--table <dataset>', 'or every step of a dataset')
    .option('--model <dir>', 'an exported model: its taps and views, and its speed where a GPU works')
    .addOption(
      new Option('--preset <name>', 'without --model: what to keep (default apt-stage1)').choices([
        'apt-stage1',
        'apt-n20',
        'gr00t-last',
        'pi-all',
        'vit',
      ]),
    )
    .addOption(new Option('--size <size>', 'without --model: which Qwen3-VL (default 2b)').choices(['2b', '4b', '8b']))
    .addOption(
      new Option('--gpu <name>', 'whose speed and price to assume (default h100)').choices([
        'h100',
        'h200',
        'b200',
        'a100',
        'l40s',
        '4090',
        '5090',
      ]),
    )
    .option('--tflops <n>', 'TFLOP/s that one GPU really reaches')
    .option('--gpu-price <dollars>', 'per GPU-hour')
    .option('--gpus <n>', 'GPUs of the trainer (default 8)')
    .option('--disk-price <dollars>', 'per GB and month (default 0.023)')
    .option('--months <n>', 'how long the features are kept (default 1)')
    .option('--passes <n>', 'passes over the frames in all runs together (default: what one run of the plan makes)')
    .option('--steps-per-second <n>', 'speed of the trainer without the vision model (default 10)')
    .option('--batch <n>', 'global batch (default 256)')
    .option('--json', 'machine-readable output')
    .addHelpText('after', ESTIMATE_EXAMPLES)
    .action(async (store, options) => set(await (await import('./features-estimate.ts')).estimate(store, options)));
}

const ESTIMATE_EXAMPLES = `
Prices and speeds that you do not give are assumptions, and printed as such.

Examples:
  prep features estimate ./store --plan 6ad53b025b85
  prep features estimate ./store --plan latest --passes 10 --gpu 4090 --gpus 2 --disk-price 0.002
  prep features estimate ./store --table droid --preset vit --json
`;

function addRun(features: Command, set: SetCode): void {
  features
    .command('run')
    .argument('<store>', 'the store')
    .description('compute the features of the frames that a plan draws, once each, in the order of training')
    .requiredOption('--plan <id>', 'id of a plan, or latest')
    .requiredOption('--model <dir>', 'folder that tools/qwen3vl exported')
    .option('--name <name>', 'name of the set (default: the preset of the model)')
    .addOption(
      new Option('--codec <codec>', 'how numbers are stored; int8 keeps outlier channels apart')
        .choices(['int8', 'f16', 'bf16', 'f32'])
        .default('int8'),
    )
    .addOption(
      new Option('--from <pictures>', 'the JPEGs of the rows, or the resized frames before JPEG')
        .choices(['stored', 'source'])
        .default('stored'),
    )
    .option('--root <name=uri>', 'with --from source: where a dataset can be read again; once per dataset', collect, [])
    .option('--calibration <name=dir>', 'with --from source: side files that it was ingested with', collect, [])
    .option('--spec <name=file>', 'with --from source: the dataset file or mapping, if it is your own', collect, [])
    .option('--provider <name>', 'as ONNX Runtime calls it: cpu, cuda, tensorrt, coreml, …', 'cpu')
    .option('--device <n>', 'number of the GPU', '0')
    .option('--streams <n>', 'sessions that take turns, each with the weights (default 2, on cpu 1)')
    .option('--batch <n>', 'frames of a batch (default 64, on cpu 4)')
    .option('--workers <n>', 'threads that decode pictures (default: one per core)')
    .option('--part-draws <n>', 'draws of a part, which a killed run begins again (default 16384)')
    .option('--shard <i/n>', 'take part i of n: one process per GPU')
    .option('--range <from:to>', 'only parts within these draws')
    .option('--sample <n>', 'real frames on which a new set is calibrated and its codec measured', '64')
    .option('--accept-bytes <size>', 'write up to so much, such as 3TB (default 200GB)')
    .option('--json', 'machine-readable output')
    .addHelpText('after', RUN_EXAMPLES)
    .action(async (store, options) => set(await (await import('./features.ts')).run(store, options)));
}

const collect = (word: string, words: readonly string[]): string[] => [...words, word];

function addKeeping(features: Command, set: SetCode): void {
  features
    .command('status')
    .argument('<store>', 'the store')
    .description('feature sets, how much of which plan and dataset they cover, what is stale and why')
    .option('--model <dir>', 'also say which sets another model made')
    .option('--json', 'machine-readable output')
    .action(async (store, options) => set(await (await import('./features.ts')).status(store, options)));
  features
    .command('drop')
    .argument('<store>', 'the store')
    .argument('<set>', 'name or id of a set')
    .description('forget a set; its tables go with the next gc')
    .option('--json', 'machine-readable output')
    .action(async (store, name, options) => set(await (await import('./features.ts')).drop(store, name, options)));
  features
    .command('providers')
    .description('what this machine can compute with, and which files are missing for a GPU')
    .option('--json', 'machine-readable output')
    .action(async (options) => set(await (await import('./features.ts')).providers(options)));
}

const RUN_EXAMPLES = `
Killed at any moment it goes on with the same command; whole parts stay. A part counts when it was read back.

Examples:
  prep features run ./store --plan 6ad53b025b85 --model ./qwen3vl-2b-stage1 --provider cuda --accept-bytes 3TB
  prep features run ./store --plan latest --model ./qwen3vl-2b-stage1 --provider cuda --device 1 --shard 1/8
`;
