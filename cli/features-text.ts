/** The text of `prep features estimate`: tables with units, what was assumed, the verdict last. */
import { type Estimate, type EstimateRequest, type EstimateRow, ownRow } from '../pipelines/features/estimate.ts';
import { signatureName } from '../schemas/features.ts';
import { DISKS, GPUS, type GpuFigures, READS, STEPS_PER_SECOND } from '../transforms/features/assumptions.ts';
import { FEATURE_BUDGET, passesText, sizeText } from '../transforms/features/cost.ts';
import type { EstimateWords } from './features-estimate.ts';
import { bytes, duration, table } from './print.ts';

/** Figures that nobody gave, each with where it is from and the option that replaces it. */
export function assumedOf(words: EstimateWords, { speed, prices }: Pick<Estimate, 'speed' | 'prices'>): string[] {
  const name = words.gpu ?? 'h100';
  const { peak, effective }: GpuFigures = GPUS[name];
  const lines: [boolean, string][] = [
    [
      words.tflops === undefined && speed.measured === null,
      `${effective} TFLOP/s effective of one ${name}, about 40 % of its ${peak} TFLOP/s dense bf16; not measured (--gpu, --tflops)`,
    ],
    [words.gpuPrice === undefined, `$${prices.gpu} an hour of one ${name}, what renting costs about (--gpu-price)`],
    [words.diskPrice === undefined, `$${prices.disk} per GB and month, ${DISKS[0].name} (--disk-price)`],
    [words.months === undefined, 'features are kept for 1 month (--months)'],
    [words.stepsPerSecond === undefined, `${STEPS_PER_SECOND} training steps a second (--steps-per-second)`],
    [true, `disks read at ${READS.map((one) => `${speedText(one.bytesPerSecond)} (${one.name})`).join(', ')}`],
    [true, 'reading costs no money'],
  ];
  return lines.flatMap(([assumed, text]) => (assumed ? [text] : []));
}

export function estimateText(made: Estimate, request: EstimateRequest, words: EstimateWords): string {
  const assumed = assumedOf(words, made).map((one) => `  ${one}`);
  return [
    `${headText(made, request)}\n${datasetsText(made)}`,
    modelText(made, words),
    costsText(made),
    stepsText(made, request),
    ['assumed, not known:', ...assumed].join('\n'),
    [...disksText(made), timeText(made, request), ...budgetText(made), `verdict: ${made.verdict}`].join('\n'),
  ].join('\n\n');
}

function headText({ plan, draws, allFrames, frames, passes, there }: Estimate, { of }: EstimateRequest): string {
  const what =
    'plan' in of
      ? `plan ${plan}: ${draws} draws of ${allFrames} distinct frames; one run makes ${passesIn(passesText(passes.run))}`
      : `dataset ${of.dataset}: ${allFrames} frames`;
  const none = allFrames - frames;
  return [
    what,
    ...(none > 0 ? [`${none} of them have no features: the model has no graph for their views`] : []),
    ...(there ? [thereText(there, frames)] : []),
  ].join('\n');
}

const percent = (share: number): string => `${(100 * (Number.isNaN(share) ? 0 : share)).toFixed(1)} %`;

function datasetsText({ datasets }: Estimate): string {
  const rows = datasets.map(({ dataset, views, frames, draws, flops }) => [
    dataset,
    views.length === 0 ? 'none' : signatureName(views),
    `${frames}`,
    `${Math.round(draws)}`,
    flops === null ? 'no graph' : `${giga(flops)} GFLOP`,
  ]);
  return table([['dataset', 'views', 'distinct frames', 'draws', 'a frame takes'], ...rows]);
}

const giga = (flops: number): string => {
  const value = flops / 1e9;
  return value.toFixed(value < 1 ? 3 : value < 10 ? 1 : 0);
};

function modelText({ model, speed }: Estimate, { gpu, tflops }: EstimateWords): string {
  const taps = model.preset === 'vit' || typeof model.taps[0] === 'string' ? 'vision outputs' : model.taps.join(' ');
  const tera = `${(speed.flopsPerSecond / 1e12).toPrecision(3)} TFLOP/s`;
  const source =
    speed.measured !== null
      ? `measured here on ${speed.measured.frames} frames`
      : tflops === undefined
        ? `assumed for one ${gpu ?? 'h100'}`
        : 'as given';
  return [
    `model: ${model.name}, ${model.preset ?? 'no preset'}, taps ${taps}; vision tower ${giga(model.visionFlops)} GFLOP a view`,
    `speed: ${speed.framesPerSecond.toFixed(speed.framesPerSecond < 10 ? 2 : 0)} frames/s on one GPU (${tera}, ${source})`,
  ].join('\n');
}

const NAMES = { none: 'nothing', vit: 'vision outputs', taps: 'taps' } as const;
/** f16 and bf16 take the same bytes: one line stands for both. */
const shown = (rows: readonly EstimateRow[]): readonly EstimateRow[] => rows.filter(({ codec }) => codec !== 'bf16');
const codecText = ({ codec }: EstimateRow): string => (codec === 'f16' ? 'f16, bf16' : (codec ?? '-'));

function thereText({ frames, of }: NonNullable<Estimate['there']>, all: number): string {
  if (of === 0) return 'no set of these features is there yet';
  return `${frames} of ${of} ${of < all ? 'that were looked at ' : ''}have features already (${percent(frames / of)})`;
}

const passesIn = (text: string): string => `${text} ${text === '1' ? 'pass' : 'passes'}`;

function costsText({ rows, passes }: Estimate): string {
  const many = passesText(passes.said ?? passes.run);
  const head = ['kept', 'codec', 'a frame', 'in all', 'GPU time', 'GPU $', 'disk $/month', `$ of ${passesIn(many)}`];
  const lines = shown(rows).map((row) => [
    NAMES[row.tier],
    codecText(row),
    bytes(row.bytesPerFrame),
    bytes(row.bytes),
    duration(row.gpuHours * 3600),
    dollars(row.computeDollars),
    dollars(row.dollarsPerMonth),
    dollars(row.dollars),
    row.breakEven === null ? '-' : passesIn(passesText(row.breakEven)),
  ]);
  return table([[...head, 'cheaper from'], ...lines]);
}

/** Two digits behind the point where they say something. */
function dollars(value: number): string {
  if (value > 0 && value < 0.01) return '<$0.01';
  const digits = value > 0 && value < 100 ? 2 : 0;
  return `$${value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** Several GPUs and disks share a cell: the table stays narrower than a terminal. */
function stepsText({ rows }: Estimate, { trainer }: EstimateRequest): string {
  const { gpus, batch, stepsPerSecond } = trainer;
  const counts = gpus === 1 ? [0] : [0, 1];
  const many = gpus === 1 ? '1 GPU' : `1 / ${gpus} GPUs`;
  const head = [
    `a step of ${batch}`,
    'codec',
    'reads',
    `at ${stepsPerSecond} steps/s`,
    `reads at ${READS.map((one) => one.bytesPerSecond / 1e9).join(' / ')} GB/s`,
    `computes, ${many}`,
    `reading is faster above, ${many}`,
  ];
  const lines = shown(rows).map((row) => [
    NAMES[row.tier],
    codecText(row),
    bytes(row.bytesPerStep),
    speedText(row.bytesPerSecond),
    `${row.readSeconds.map(({ seconds }) => milliseconds(seconds)).join(' / ')} ms`,
    `${counts.map((i) => milliseconds(row.computeSeconds[i]!)).join(' / ')} ms`,
    row.fasterAbove === null ? '-' : `${counts.map((i) => (row.fasterAbove![i]! / 1e9).toFixed(1)).join(' / ')} GB/s`,
  ]);
  return table([head, ...lines]);
}

const gpuText = (many: number): string => (many === 1 ? '1 GPU' : `${many} GPUs`);
const speedText = (perSecond: number): string => `${bytes(perSecond).replace('.0 ', ' ')}/s`;
const milliseconds = (seconds: number): string => {
  const value = seconds * 1000;
  return value.toFixed(value > 0 && value < 10 ? 1 : 0);
};

/** What stands for the preset in sentences. */
const ownText = ({ tier }: EstimateRow): string => `${NAMES[tier]} as int8`;

const disksText = ({ disks, rows }: Estimate): string[] => [
  `${ownText(ownRow(rows))} are cheaper from: ${disks
    .map(({ name, price, breakEven }) => `${passesText(breakEven)} passes on ${name} at $${price}`)
    .join(', ')}`,
];

function timeText({ rows }: Estimate, { trainer: { gpus, stepsPerSecond } }: EstimateRequest): string {
  const own = ownRow(rows);
  const train = 1 / stepsPerSecond;
  const online = [1, gpus]
    .slice(0, gpus === 1 ? 1 : 2)
    .map((many, i) => `${milliseconds(train + rows[0]!.computeSeconds[i]!)} ms on ${gpuText(many)}`);
  const cached = own.readSeconds.map(({ bytesPerSecond, seconds }) => {
    // Reading goes on beside the training, computing does not.
    const step = Math.max(train + own.computeSeconds[gpus === 1 ? 0 : 1], seconds);
    return `${milliseconds(step)} ms at ${speedText(bytesPerSecond)}`;
  });
  return `a training step of ${milliseconds(train)} ms takes ${online.join(', ')} with recomputing; with ${ownText(own)} ${cached.join(', ')}`;
}

const budgetText = ({ rows }: Estimate): string[] => {
  const { bytes: many } = ownRow(rows);
  if (many <= FEATURE_BUDGET) return [];
  return [
    `above the budget of ${sizeText(FEATURE_BUDGET)}: making them needs --accept-bytes ${sizeText(many).replace(' ', '')}`,
  ];
};
