/** `prep inspect`: what an unknown source holds. */
import { EXIT } from '../schemas/errors.ts';
import { openRoot } from '../sources/bytes.ts';
import { describeRlds, type FieldDescription, type RldsDescription } from '../sources/formats/rlds-describe.ts';
import { bytes, openOutput, table } from './print.ts';

export async function inspect(path: string, words: { json?: boolean }): Promise<number> {
  const found = await describeRlds(await openRoot(path));
  openOutput(words.json ?? false).result(found, text(found));
  return found.faults.length > 0 ? EXIT.failed : EXIT.done;
}

function text(found: RldsDescription): string {
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

function valuesText({ present, range, notFinite, first, texts, image }: FieldDescription): string {
  const short = (x: number): string => `${Number(x.toPrecision(4))}`;
  if (present === 0) return 'no values';
  if (image) return `${image.codec} ${image.width}x${image.height}, ${bytes(image.bytes)} each`;
  if (texts) return `${texts.distinct} distinct, first ${JSON.stringify(texts.first.slice(0, 80))}`;
  if (!range) return 'not read';
  return `${short(range.min)} … ${short(range.max)}${notFinite ? `, ${notFinite} not finite` : ''}, first ${(first ?? []).map(short).join(' ')}`;
}
