/** An RLDS folder: its own description, and the same as the others give it. */
import type { RldsRecord } from '../../schemas/records.ts';
import type { ByteRoot } from '../bytes.ts';
import { describeRlds, type RldsDescription } from '../formats/rlds-describe.ts';
import { type Described, MAX_VALUES, type Sample } from './description.ts';
import { openSeen, type Seen } from './seen.ts';

export async function describeRldsWithSamples(
  root: ByteRoot,
): Promise<{ rlds: RldsDescription; described: Described }> {
  const seen = new Map<string, Seen>();
  const rlds = await describeRlds(root, (record) => {
    for (const path of record.paths()) keep(record, path, seen);
  });
  const cameras = rlds.fields.flatMap(({ path, image }) =>
    image
      ? [
          {
            field: path,
            ...image,
            fps: null,
            frames: rlds.steps.reduce((a, b) => a + b, 0),
            depth: /depth/i.test(path),
          },
        ]
      : [],
  );
  const episodes = rlds.splits.every((split) => split.episodes !== null)
    ? rlds.splits.reduce((sum, split) => sum + split.episodes!, 0)
    : null;
  const lengths = { min: Math.min(...rlds.steps), max: Math.max(...rlds.steps) };
  const { name, version, steps, fields, faults } = rlds;
  const samples = [...seen].flatMap(([path, one]): Sample[] => {
    const sample = one.sample(path, path.startsWith('steps/'), []);
    return sample ? [sample] : [];
  });
  const description = {
    format: 'rlds' as const,
    root: rlds.root,
    name,
    version,
    episodes,
    lengths,
    steps,
    fields,
    cameras,
    faults,
  };
  return { rlds, described: { description, samples } };
}

/** Numbers whose width is the same in every step. */
function keep(record: RldsRecord, path: string, seen: Map<string, Seen>): void {
  const count = record.count(path);
  if (count === 0 || count > MAX_VALUES) return;
  const values = record.values(path);
  const rows = path.startsWith('steps/') ? record.steps : 1;
  if (!(values instanceof Float64Array) || count % rows !== 0) return;
  const one = seen.get(path) ?? openSeen();
  seen.set(path, one);
  one.numbers(values, count / rows);
}
