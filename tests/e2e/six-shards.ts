/** Nine DROID episodes in six shards, made of the bundled ones under new ids; one is damaged, one has no camera pose. */
import { prep } from '../cli/run.ts';
import { contents, freshFolder } from './demo-set.ts';
import { demoRecords, framed, retimed, writeRelease } from './release.ts';

export function sixShards(): string {
  const [sound, plain, zeros, nan] = demoRecords();
  const shards = [[sound, plain], [plain, nan], [plain], [plain, zeros], [plain], [sound]];
  let n = 0;
  return writeRelease(shards.map((records) => records.map((record) => framed(retimed(record, ++n)))));
}

export const wordsFor = (release: string, store: string, ...words: string[]): string[] => [
  'ingest',
  'droid',
  '--root',
  release,
  '--store',
  store,
  '--workers',
  '1',
  ...words,
];

/** What one undisturbed process makes of it. */
export async function undisturbed(release: string) {
  const store = freshFolder();
  const started = performance.now();
  const { code, stderr } = await prep(...wordsFor(release, store));
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return { store, ...(await contents(store)), milliseconds: performance.now() - started };
}
