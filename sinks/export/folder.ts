/**
 * The folder of an export. A unit counts once its own note lies in `.prep/`, which is after its files have their names; the
 * export is whole once `prep.json` lies beside them. Killed anywhere, the next run goes on and ends with the same bytes.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { PrepError } from '../../schemas/errors.ts';
import type { CreateFile, ExportUnit, IndexFile, NewFile, UnitResult, WrittenFile } from './format.ts';

export interface DoneUnit extends UnitResult {
  readonly start: number;
  readonly end: number;
  /** sha-256 over every row's episode key (int64) and step (int32), little-endian, as in training shards. */
  readonly orderHash: string;
  /** Rows whose proprioception is NaN somewhere: the camera's place is not known. */
  readonly unknown: number;
}

/** `prep.json`: what the folder holds. */
export interface Manifest {
  /** What was asked for: another request is another export. */
  readonly export: object;
  /** The `prep` object of the rows. */
  readonly metadata: object;
  readonly units: readonly Omit<DoneUnit, 'facts'>[];
  readonly index: readonly WrittenFile[];
}

export interface ExportFolder {
  readonly path: string;
  /** Set where an earlier run has finished it and every file is there. */
  readonly manifest: Manifest | null;
  readonly create: CreateFile;
  /** A unit that an earlier run has finished. */
  done(unit: ExportUnit): Promise<DoneUnit | null>;
  publish(unit: ExportUnit, done: DoneUnit): Promise<void>;
  finish(manifest: Omit<Manifest, 'index' | 'export'>, index: readonly IndexFile[]): Promise<Manifest>;
}

const MANIFEST = 'prep.json';
const NOTES = '.prep';
/** Files that are not finished; no reader looks for the ending. */
const PART = '.part';

/** @param request plain JSON, the same for the same export @throws PrepError `bad-option` where the folder holds something else */
export async function openExportFolder(out: string, request: object): Promise<ExportFolder> {
  const path = resolve(out);
  const manifest = await readJson<Manifest>(join(path, MANIFEST));
  const begun = manifest?.export ?? (await readJson<object>(join(path, NOTES, 'export.json')));
  await refuseOther(path, request, begun);
  const whole = manifest !== null && (await allThere(path, manifest)) ? manifest : null;
  if (!whole) {
    await attempt(path, () => mkdir(join(path, NOTES), { recursive: true }));
    if (!begun) await writeWhole(path, `${NOTES}/export.json`, JSON.stringify(request));
  }
  // Two runs into one folder do each other no harm: they make the same files, each under names of its own.
  const mark = randomUUID().slice(0, 8);
  const part = (file: string): string => join(path, `${file}.${mark}${PART}`);
  const note = ({ index }: ExportUnit): string => `${NOTES}/unit-${String(index).padStart(6, '0')}.json`;
  return {
    path,
    manifest: whole,
    create: (file) => attempt(join(path, file), () => createPart(file, part(file))),
    async done(unit) {
      const found = await readJson<DoneUnit>(join(path, note(unit)));
      const fits = found !== null && found.start === unit.start && found.end === unit.end;
      return fits && (await present(path, found.files)) ? found : null;
    },
    async publish(unit, done) {
      await attempt(path, async () => {
        for (const { path: file } of done.files) await rename(part(file), join(path, file));
        await writeWhole(path, note(unit), JSON.stringify(done));
      });
    },
    async finish(about, index) {
      return attempt(path, async () => {
        const files: WrittenFile[] = [];
        for (const { path: file, content } of index) files.push(await writeWhole(path, file, content));
        const full: Manifest = { export: request, ...about, index: files };
        await writeWhole(path, MANIFEST, `${JSON.stringify(full, null, 1)}\n`);
        await sweep(path);
        return full;
      });
    },
  };
}

async function refuseOther(path: string, request: object, begun: object | null): Promise<void> {
  if (begun !== null && JSON.stringify(begun) === JSON.stringify(request)) return;
  const names = begun === null ? await attempt(path, () => namesIn(path)) : [];
  if (begun === null && names.every((name) => name === NOTES)) return;
  throw new PrepError({
    code: 'bad-option',
    at: { file: path, field: '--out' },
    expected: `an empty folder, or one with this export: ${JSON.stringify(request)}`,
    found: begun === null ? `${names.length} other files, such as ${names[0]}` : JSON.stringify(begun),
    remedy: 'give another folder, or empty this one',
  });
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

const allThere = async (path: string, { units, index }: Manifest): Promise<boolean> =>
  (await present(path, index)) &&
  (await present(
    path,
    units.flatMap(({ files }) => files),
  ));

/** By size: a file gets its name only when all of it is on disk. */
async function present(path: string, files: readonly WrittenFile[]): Promise<boolean> {
  for (const { path: file, bytes } of files) {
    const found = await stat(join(path, file)).catch(() => null);
    if (found?.size !== bytes) return false;
  }
  return true;
}

async function readJson<T>(path: string): Promise<T | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new PrepError({ code: 'store', at: { file: path }, expected: 'JSON', found: 'something else', cause });
  }
}

async function createPart(path: string, part: string): Promise<NewFile> {
  await mkdir(dirname(part), { recursive: true });
  const handle = await open(part, 'wx');
  let size = 0;
  const guarded = <T>(work: () => Promise<T>): Promise<T> => attempt(part, work);
  return {
    get size() {
      return size;
    },
    append: (bytes) =>
      guarded(async () => {
        // Writes all of it, unlike `write`, at the end of what was appended.
        await writeAt(handle, bytes, size);
        size += bytes.length;
      }),
    patch: (bytes, offset) => guarded(() => writeAt(handle, bytes, offset)),
    close: () =>
      guarded(async () => {
        await handle.sync();
        await handle.close();
        return { path, bytes: size, sha256: await digest(part) };
      }),
    async discard() {
      await handle.close().catch(() => undefined);
      await rm(part, { force: true });
    },
  };
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length; )
    at += (await handle.write(bytes, at, bytes.length - at, offset + at)).bytesWritten;
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk);
  return hash.digest('hex');
}

/** A small file: the whole of it, or what was there before. */
async function writeWhole(folder: string, path: string, content: Uint8Array | string): Promise<WrittenFile> {
  const part = join(folder, `${path}.${randomUUID().slice(0, 8)}${PART}`);
  const file = await createPart(path, part);
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  await file.append(bytes);
  const written = await file.close();
  await rename(part, join(folder, path));
  return written;
}

/** Notes and what killed runs have left. */
async function sweep(path: string): Promise<void> {
  await rm(join(path, NOTES), { recursive: true, force: true });
  for (const name of await readdir(path, { recursive: true }))
    if (name.endsWith(PART)) await rm(join(path, name), { force: true });
}

/** A fault of the file system as a sentence. */
async function attempt<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof PrepError || !(cause instanceof Error) || !('syscall' in cause)) throw cause;
    throw new PrepError({
      code: 'store',
      at: { file },
      found: cause.message,
      remedy: 'what is finished stays: run the export again',
      cause,
    });
  }
}
