/** Which files of a TFDS folder are the shards of which split, and which of a set are not there. */
import { PrepError } from '../../schemas/errors.ts';

export interface TfdsShard {
  readonly file: string;
  /** Episodes that `dataset_info.json` announces; null if it says nothing. */
  readonly expected: number | null;
  /** Bytes; null where the file is not there. */
  readonly size: number | null;
}

export interface TfdsSplit {
  readonly name: string;
  /** The whole set in order, absent ones too: an index over all shards stays the same with `--partial`. */
  readonly shards: readonly TfdsShard[];
}

export interface DeclaredSplit {
  readonly name: string;
  /** Episodes per shard; empty if not said. */
  readonly lengths: readonly (number | null)[];
  /** `filepathTemplate`, '' if not said. */
  readonly template: string;
}

interface ShardFile {
  readonly file: string;
  readonly size: number;
  readonly prefix: string;
  readonly index: number;
  /** N of `-of-N`; null where the template has none. */
  readonly of: number | null;
}

type Listing = readonly { readonly name: string; readonly size: number }[];

const TEMPLATE = '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}';
/** The largest published sets have 2048; a made-up number must not make a list of its length. */
const SHARD_LIMIT = 1_000_000;
const TFDS_NAME = /^(.+)-([^-]+)\.tfrecord-\d{5,}-of-\d{5,}$/;

/**
 * Splits in the order of `dataset_info.json`, then those that only the files know.
 * @throws PrepError `bad-dataset-info` where numbers of shards or prefixes contradict one another
 */
export function listShards(
  folder: string,
  files: Listing,
  info: { readonly name: string | null; readonly splits: readonly DeclaredSplit[] },
): { splits: TfdsSplit[]; prefix: string } {
  // A declared name may hold a dash; only what no declared split claims makes a split of its own.
  const claimed = new Set(info.splits.flatMap((split) => shardFiles(split, files).map(({ file }) => file)));
  const further = files.flatMap(({ name }) => (claimed.has(name) ? [] : (TFDS_NAME.exec(name)?.[2] ?? [])));
  const splits: DeclaredSplit[] = [
    ...info.splits,
    ...[...new Set(further)].map((name) => ({ name, lengths: [], template: '' })),
  ];
  let prefix = info.name ?? '';
  const listed = splits.map((split) => {
    const here = shardFiles(split, files);
    prefix = here[0]?.prefix || prefix;
    return { name: split.name, shards: shardSet(split, here, { folder, prefix }) };
  });
  return { splits: listed.filter((split) => split.shards.length > 0), prefix };
}

/** The files that fit the split's template; unfinished downloads (`….part`) do not. */
function shardFiles(split: DeclaredSplit, files: Listing): ShardFile[] {
  const pattern = filePattern(split);
  const found = files.flatMap(({ name, size }) => {
    const groups = pattern.exec(name)?.groups;
    if (!groups) return [];
    const of = groups.of === undefined ? null : Number(groups.of);
    return [{ file: name, size, prefix: groups.prefix ?? '', index: Number(groups.index ?? 0), of }];
  });
  return found.sort((a, b) => a.index - b.index);
}

/** Each variable of a template once: that is all TFDS writes, and a pattern cannot name two groups alike. */
function filePattern(split: DeclaredSplit): RegExp {
  const template = split.template || TEMPLATE;
  const source = template.replace(/\{(\w+)\}|[^{]+|\{/g, (literal, variable?: string) =>
    variable === undefined ? escaped(literal) : variablePattern(variable, split.name),
  );
  try {
    return new RegExp(`^${source}$`);
  } catch (cause) {
    throw new PrepError({
      code: 'bad-dataset-info',
      at: { file: 'dataset_info.json', field: `splits.${split.name}.filepathTemplate` },
      expected: `a template such as ${TEMPLATE}`,
      found: JSON.stringify(template),
      cause,
    });
  }
}

function variablePattern(variable: string, split: string): string {
  if (variable === 'DATASET') return '(?<prefix>.+)';
  if (variable === 'SPLIT') return escaped(split);
  if (variable === 'FILEFORMAT') return 'tfrecord';
  if (variable === 'SHARD_INDEX') return '(?<index>\\d+)';
  if (variable === 'NUM_SHARDS') return '(?<of>\\d+)';
  if (variable === 'SHARD_X_OF_Y') return '(?<index>\\d{5,})-of-(?<of>\\d{5,})';
  return '.+';
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** The set of one split, file by file or as not there. */
function shardSet(
  split: DeclaredSplit,
  here: readonly ShardFile[],
  { folder, prefix }: { folder: string; prefix: string },
): TfdsShard[] {
  const refuse = (expected: string, found: string): never => {
    throw new PrepError({
      code: 'bad-dataset-info',
      at: { file: folder },
      expected: `${expected} of split ${split.name}`,
      found,
      remedy: 'keep the files of one version in the folder, and fetch dataset_info.json again',
    });
  };
  const totals = [...new Set(here.map((file) => file.of))];
  if (totals.length > 1) refuse('one number of shards', totals.map((of) => `-of-${of}`).join(' and '));
  const prefixes = [...new Set(here.map((file) => file.prefix))];
  if (prefixes.length > 1) refuse('one name before the shards', prefixes.join(' and '));
  const declared = split.lengths.length;
  const total = totals[0] ?? (declared || here.length);
  if (declared > 0 && total !== declared) refuse(`${declared} shards, as shardLengths says,`, `-of-${total}`);
  if (total > SHARD_LIMIT) refuse(`at most ${SHARD_LIMIT} shards`, `-of-${total}`);
  const last = here.at(-1);
  if (last && last.index >= total) refuse(`shards below ${total}`, last.file);
  const byIndex = new Map(here.map((file) => [file.index, file]));
  if (byIndex.size < here.length) refuse('one file per shard', 'two with the same number');
  return Array.from({ length: total }, (_, index) => {
    const file = byIndex.get(index);
    const name = file?.file ?? fileName(split, { prefix, index, total });
    return { file: name, expected: split.lengths[index] ?? null, size: file?.size ?? null };
  });
}

function fileName(split: DeclaredSplit, shard: { prefix: string; index: number; total: number }): string {
  const number = (value: number): string => String(value).padStart(5, '0');
  const [index, total] = [number(shard.index), number(shard.total)];
  const values: Readonly<Record<string, string>> = {
    DATASET: shard.prefix,
    SPLIT: split.name,
    FILEFORMAT: 'tfrecord',
    SHARD_INDEX: index,
    NUM_SHARDS: total,
    SHARD_X_OF_Y: `${index}-of-${total}`,
  };
  return (split.template || TEMPLATE).replace(/\{(\w+)\}/g, (literal, name: string) => values[name] ?? literal);
}
