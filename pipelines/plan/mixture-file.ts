/** A mixture file → a mixture. */
import { readFile } from 'node:fs/promises';
import { PrepError } from '../../schemas/errors.ts';
import { type Mixture, mixtureOf, mixtureSchema } from '../../schemas/mixture.ts';

/** @throws PrepError `bad-mixture` naming the file and, key by key, what it should be */
export async function readMixture(file: string): Promise<Mixture> {
  const bad = (expected: string, found: string, cause?: unknown): PrepError =>
    new PrepError({ code: 'bad-mixture', at: { file }, expected, found, remedy: 'see README.md, "Mixtures"', cause });
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw bad('a readable file', String(cause), cause);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw bad('JSON', (cause as Error).message, cause);
  }
  const parsed = mixtureSchema.safeParse(json);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`);
    throw bad('a mixture file', issues.slice(0, 8).join('; '));
  }
  const mixture = mixtureOf(parsed.data);
  const names = mixture.entries.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw bad('entries with names of their own', `${twice} twice`);
  return mixture;
}
