/** `prep inspect`: what an unknown source holds. */
import { writeFile } from 'node:fs/promises';
import { EXIT, PrepError } from '../schemas/errors.ts';
import { type Inspected, inspectPath } from '../sources/describe/describe.ts';
import type { CameraDescription, Description } from '../sources/describe/description.ts';
import type { FieldDescription, RldsDescription } from '../sources/formats/rlds-describe.ts';
import { accessFromSurroundings } from './access.ts';
import { bytes, openOutput, table } from './print.ts';

interface InspectWords {
  readonly propose?: boolean;
  readonly out?: string;
  readonly json?: boolean;
}

export async function inspect(path: string, words: InspectWords): Promise<number> {
  const found = await inspectPath(path, accessFromSurroundings());
  const { description } = found.described;
  const out = openOutput(words.json ?? false);
  if (words.propose || words.out !== undefined) return proposal(path, found, words);
  if (found.format === 'rlds') out.result(found.rlds, rldsText(found.rlds));
  else out.result(description, text(description));
  return description.faults.length > 0 ? EXIT.failed : EXIT.done;
}

/** The mapping on stdout or in a new file; what to know of it on stderr, so that `> mapping.json` holds nothing else. */
async function proposal(path: string, found: Inspected, { out: file, json }: InspectWords): Promise<number> {
  const [{ propose }, { recognise }] = await Promise.all([
    import('../sources/mapping/propose/propose.ts'),
    import('../sources/recognise.ts'),
  ]);
  const { mapping, words } = propose(found.described);
  const known = await recognise(found.root, found.described);
  const guesses = mapping?.guesses ?? [];
  const hints = [
    ...known.map((name) => `This looks like ${name}: use prep ingest ${name} --root ${path} …, no mapping is needed.`),
    ...words,
    ...found.described.description.faults.map((fault) => `fault: ${fault}`),
    ...(guesses.length > 0 ? [`${guesses.length} guesses, each to be checked and taken out of "guesses":`] : []),
    ...guesses.map(({ key, value, why, check }) => `  ${key} = ${JSON.stringify(value)}: ${why}. ${check}`),
  ];
  const written = mapping && `${JSON.stringify(mapping, null, 2).replace(/\[\s+(\d+),\s+(\d+)\s+\]/g, '[$1, $2]')}\n`;
  if (written && file !== undefined) {
    await writeNew(file, written);
    hints.push(`Written: ${file}. Next: prep ingest ${nextOf(found.format, file)} --root ${path} --store … --dry-run`);
  }
  if (json) process.stdout.write(`${JSON.stringify({ mapping, words, known })}\n`);
  else {
    if (written && file === undefined) process.stdout.write(written);
    process.stderr.write(hints.map((line) => `${line}\n`).join(''));
  }
  return mapping ? EXIT.done : EXIT.failed;
}

const nextOf = (format: Inspected['format'], file: string): string =>
  format === 'rlds' ? (/^[./]/.test(file) ? file : `./${file}`) : `${format} --mapping ${file}`;

async function writeNew(file: string, text: string): Promise<void> {
  await writeFile(file, text, { flag: 'wx' }).catch((cause) => {
    const there = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw new PrepError({
      code: 'bad-option',
      at: { field: '--out', file },
      expected: 'a file that can be made',
      found: there ? 'one that is there already' : String(cause),
      cause,
    });
  });
}

function text(found: Description): string {
  const { lengths, steps, episodes, fps, robot, files, groups, tasks, attributes = {} } = found;
  const kind = found.format === 'hdf5' ? 'HDF5' : `LeRobot ${found.version}`;
  const quoted = (value: unknown): string => JSON.stringify(value).slice(0, 80);
  return [
    `${found.name} (${kind}) in ${found.root}`,
    ...(found.datasets ? [`  the first of ${found.datasets} datasets here`] : []),
    ...(files ? [`  ${files.count} file${files.count === 1 ? '' : 's'}, first ${files.first.join(', ')}`] : []),
    ...(groups ? [`  episodes are groups ${groups}`] : []),
    `  ${episodes ?? '?'} episodes of ${lengths.min} to ${lengths.max} steps${fps ? `, ${fps} steps per second` : ''}${robot ? `, robot ${robot}` : ''}`,
    ...(tasks
      ? [
          `  ${tasks.count} tasks: ${tasks.first.map(quoted).join(', ')}${tasks.count > tasks.first.length ? ', …' : ''}`,
        ]
      : []),
    ...Object.entries(attributes).map(([name, value]) => `  attribute ${name}: ${quoted(value)}`),
    `first ${steps.length} episodes: ${steps.join(', ')} steps`,
    '',
    table([
      ['field', 'type', 'values'],
      ...found.fields.map((field) => [field.path, typeText(field), valuesText(field)]),
    ]),
    ...found.cameras.map(cameraText),
    ...found.faults.map((fault) => `fault: ${fault}`),
  ].join('\n');
}

function cameraText({ field, codec, width, height, fps, frames, depth, files }: CameraDescription): string {
  const rate = fps === null ? '' : `, ${fps} fps`;
  const missing = files ? `, ${files.named - files.missing} of ${files.named} files there` : '';
  return `camera ${field}: ${codec} ${width}x${height}${rate}, ${frames} frames${missing}${depth ? ', depth' : ''}`;
}

function rldsText(found: RldsDescription): string {
  const splits = found.splits.map(
    ({ name, shards, missing, episodes, bytes: size }) =>
      `  ${name}: ${episodes ?? '?'} episodes in ${shards} shards, ${bytes(size)}${missing > 0 ? `, ${missing} shards not here` : ''}`,
  );
  const rows = found.fields.map((field) => [field.path, typeText(field), valuesText(field)]);
  return [
    `${found.name} ${found.version} (RLDS) in ${found.root}`,
    ...splits,
    `first ${found.steps.length} episodes: ${found.steps.join(', ')} steps`,
    '',
    table([['field', 'type', 'values'], ...rows]),
    ...found.faults.map((fault) => `fault: ${fault}`),
  ].join('\n');
}

const typeText = ({ kind, dtype, shape, encoding }: FieldDescription): string =>
  kind === 'text'
    ? 'text'
    : `${kind === 'image' ? 'image' : dtype}${shape.length > 0 ? `[${shape.map((n) => n ?? '?').join(' ')}]` : ''}${encoding && encoding !== 'none' ? ` ${encoding}` : ''}`;

function valuesText({ dtype, present, range, notFinite, first, texts, image }: FieldDescription): string {
  const short = (x: number): string => `${Number(x.toPrecision(4))}`;
  // Python pickles, most often.
  if (dtype === 'binary') return 'bytes, never opened';
  if (present === 0) return 'no values';
  if (image)
    return `${image.codec} ${image.width}x${image.height}${image.bytes > 0 ? `, ${bytes(image.bytes)} each` : ''}`;
  if (texts) return `${texts.distinct} distinct, first ${JSON.stringify(texts.first.slice(0, 80))}`;
  if (!range) return 'not read';
  return `${short(range.min)} … ${short(range.max)}${notFinite ? `, ${notFinite} not finite` : ''}, first ${(first ?? []).map(short).join(' ')}`;
}
