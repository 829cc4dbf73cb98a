/** One episode of a folder of files: the anchor and its companions, opened as what they are when they are asked for. */
import { PrepError } from '../../../schemas/errors.ts';
import type { SourcePictures } from '../../../schemas/frames.ts';
import type { PyValue } from '../../../schemas/python-data.ts';
import type { FilesRecord, Hdf5Group } from '../../../schemas/records.ts';
import type { Companions } from '../../../schemas/spec.ts';
import type { Hdf5File } from '../hdf5/file.ts';
import { readNpy } from '../npy.ts';
import type { Video } from '../video.ts';
import type { PictureFolder } from './pictures.ts';

/** A companion as far as it must be opened before the record is handed over. */
export type Companion =
  | { readonly kind: 'bytes'; readonly path: string; readonly bytes: Uint8Array }
  | { readonly kind: 'hdf5'; readonly path: string; readonly file: Hdf5File }
  | { readonly kind: 'video'; readonly path: string; readonly video: Video }
  | { readonly kind: 'pictures'; readonly path: string; readonly pictures: PictureFolder };

export interface FilesParts {
  readonly path: string;
  readonly inside: string;
  /** The anchor where it is HDF5. */
  readonly anchor: Hdf5File | null;
  readonly companions: ReadonlyMap<string, Companion>;
  /** What was looked for, to name what is missing. */
  readonly candidates: Companions;
}

export function filesRecord(parts: FilesParts): FilesRecord {
  const { path, inside, anchor, companions } = parts;
  const companion = <Kind extends Companion['kind']>(name: string, kind: Kind): Extract<Companion, { kind: Kind }> => {
    const found = companions.get(name);
    if (found?.kind === kind) return found as Extract<Companion, { kind: Kind }>;
    throw missing(parts, name, found ? `a file that is no ${kind}` : 'nothing there');
  };
  const text = (name: string): string => new TextDecoder().decode(companion(name, 'bytes').bytes);
  const root = (): Hdf5Group => {
    if (anchor) return anchor.root;
    throw new PrepError({ code: 'bad-hdf5', at: { file: path }, expected: 'an HDF5 file', found: 'another file' });
  };
  return {
    format: 'files',
    path,
    inside,
    has: (name) => companions.has(name),
    pathOf: (name) => companions.get(name)?.path ?? fail(missing(parts, name, 'nothing there')),
    text,
    json(name) {
      try {
        return parsed(companion(name, 'bytes').bytes);
      } catch (cause) {
        if (cause instanceof PrepError) throw cause;
        const at = { file: companions.get(name)!.path };
        throw new PrepError({ code: 'bad-metadata', at, expected: 'JSON', found: (cause as Error).message, cause });
      }
    },
    bytes: (name) => companion(name, 'bytes').bytes,
    npy: (name) => unpickled(companion(name, 'bytes').bytes, companions.get(name)!.path),
    hdf5: (name) =>
      name === undefined ? (inside === '' ? root() : root().group(inside)) : companion(name, 'hdf5').file.root,
    hdf5Root: root,
    names(name) {
      const found = companions.get(name);
      return found?.kind === 'pictures' ? found.pictures.names : null;
    },
    video(name, which): SourcePictures {
      const found = companions.get(name);
      if (found?.kind === 'pictures') {
        const { width, height, names, pick } = found.pictures;
        const shown = typeof which === 'object' ? which : Array.from({ length: which ?? names.length }, (_, i) => i);
        return { width, height, frames: pick(shown) };
      }
      const { video, path: field } = companion(name, 'video');
      const frames = typeof which === 'object' ? video.pick(which) : video.stream(0, which ?? video.frames);
      return { width: video.width, height: video.height, frames, field };
    },
  };
}

/** Annotations of a whole dataset are one file that every episode asks. */
const known = new WeakMap<Uint8Array, unknown>();

function parsed(bytes: Uint8Array): unknown {
  if (!known.has(bytes)) known.set(bytes, JSON.parse(new TextDecoder().decode(bytes)));
  return known.get(bytes);
}

function unpickled(bytes: Uint8Array, file: string): PyValue {
  if (!known.has(bytes)) known.set(bytes, readNpy(bytes, { file }));
  return known.get(bytes) as PyValue;
}

function fail(error: PrepError): never {
  throw error;
}

function missing({ path, candidates }: FilesParts, name: string, found: string): PrepError {
  const paths = candidates[name];
  return new PrepError({
    code: 'missing-field',
    at: { file: path, field: name },
    expected: paths ? paths.join(' or ') : `a companion ${name}`,
    found,
  });
}
