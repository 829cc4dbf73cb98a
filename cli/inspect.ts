/** `prep inspect`: what an unknown source holds. */
import { EXIT } from '../schemas/errors.ts';
import { inspectPath } from '../sources/describe/describe.ts';
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
  if (found.format === 'rlds') out.result(found.rlds, rldsText(found.rlds));
  else out.result(description, text(description));
  return description.faults.length > 0 ? EXIT.failed : EXIT.done;
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
