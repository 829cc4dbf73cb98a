/** A folder on an object store or a server, through opendal: ranges, sizes and identities are checked at every read. */
import type { Operator } from 'opendal';
import { PrepError } from '../../schemas/errors.ts';
import type { ByteFile, ByteRoot } from '../bytes.ts';
import { readAhead, WINDOW } from './read-ahead.ts';
import { lineOf, persist, Transient } from './retry.ts';

export interface Entry {
  readonly name: string;
  /** Bytes, null for a folder. */
  readonly size: number | null;
  /** ETag or time of change, where the listing has one. */
  readonly stamp?: string | undefined;
}

export interface Remote {
  readonly operator: Operator;
  /** As it may be shown. */
  readonly uri: string;
  /** Entries directly below a folder ('' or ending with '/'). */
  list(folder: string): Promise<Entry[]>;
}

const TEXT_LIMIT = 2 ** 26;

export function remoteRoot(remote: Remote, folder = ''): ByteRoot {
  let listed: Promise<Entry[]> | undefined;
  const entries = (): Promise<Entry[]> => {
    listed ??= persist(`${remote.uri}/${folder}`, () => remote.list(folder)).then((all) =>
      all.filter(({ name }) => isName(name)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
    return listed;
  };
  return {
    uri: folder === '' ? remote.uri : `${remote.uri}/${folder.slice(0, -1)}`,
    list: async () =>
      (await entries()).flatMap(({ name, size, stamp }) =>
        size === null ? [] : [{ name, size, ...(stamp === undefined ? {} : { stamp }) }],
      ),
    folders: async () => (await entries()).flatMap(({ name, size }) => (size === null ? [name] : [])),
    folder: (name) => remoteRoot(remote, `${folder}${checked(remote, name)}/`),
    open: async (name) => readAhead(await openRemote(remote, `${folder}${checked(remote, name)}`, name)),
    async readText(name, limit = TEXT_LIMIT) {
      const file = await openRemote(remote, `${folder}${checked(remote, name)}`, name);
      if (file.size > limit)
        throw new PrepError({
          code: 'bad-value',
          at: { file: name },
          expected: `a text of at most ${limit} bytes`,
          found: `${file.size} bytes`,
        });
      try {
        return new TextDecoder('utf-8', { fatal: true }).decode(await file.read(0, file.size));
      } catch (cause) {
        if (cause instanceof PrepError) throw cause;
        throw new PrepError({
          code: 'bad-value',
          at: { file: name },
          expected: 'UTF-8 text',
          found: 'other bytes',
          cause,
        });
      }
    },
  };
}

const isName = (name: string): boolean => name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);

/** Names may come from metadata files: one that leaves the folder is refused. */
function checked(remote: Remote, name: string): string {
  if (isName(name)) return name;
  throw new PrepError({
    code: 'source-missing',
    at: { file: remote.uri },
    expected: 'a name within this folder',
    found: JSON.stringify(name),
  });
}

async function openRemote({ operator, uri }: Remote, path: string, name: string): Promise<ByteFile> {
  const file = `${uri}/${path}`;
  const facts = await persist(file, () => operator.stat(path)).catch((cause: unknown) => {
    throw refused(file, cause);
  });
  const size = facts.contentLength === null ? Number.NaN : Number(facts.contentLength);
  if (!Number.isSafeInteger(size))
    throw new PrepError({
      code: 'bad-remote',
      at: { file },
      expected: 'a server that tells sizes',
      found: 'no Content-Length',
    });
  const match =
    facts.etag && !facts.etag.startsWith('W/') && operator.capability().readWithIfMatch ? { ifMatch: facts.etag } : {};
  const range = async (offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> =>
    persist(file, async () => {
      const bytes = await operator.read(path, { offset: BigInt(offset), size: BigInt(length), ...match });
      // A server that does not know ranges answers with the whole file; one that breaks off, with less.
      if (bytes.length > length) throw noRanges(file, length, bytes.length);
      if (bytes.length < length) throw new Transient(`a body of ${bytes.length} bytes where ${length} were asked for`);
      return Uint8Array.from(bytes);
    }).catch((cause: unknown) => {
      throw refused(file, cause);
    });
  return {
    name,
    size,
    async read(offset, length) {
      const end = Math.min(offset + length, size);
      if (end - offset <= WINDOW) return end > offset ? range(offset, end - offset) : new Uint8Array(0);
      const out = new Uint8Array(end - offset);
      for (let at = offset; at < end; at += WINDOW) out.set(await range(at, Math.min(WINDOW, end - at)), at - offset);
      return out;
    },
    close: async () => undefined,
  };
}

const noRanges = (file: string, asked: number, got: number): PrepError =>
  new PrepError({
    code: 'bad-remote',
    at: { file },
    expected: `${asked} bytes`,
    found: `${got}: the server does not answer ranges`,
    remedy: 'copy the dataset to a local folder, or serve it by a server that knows ranges',
  });

function refused(file: string, cause: unknown): PrepError {
  if (cause instanceof PrepError) return cause;
  const text = lineOf(cause);
  if (/NotFound|404/.test(text))
    return new PrepError({ code: 'source-missing', at: { file }, expected: 'a file', found: 'nothing there', cause });
  if (/ConditionNotMatch|412/.test(text))
    return new PrepError({
      code: 'bad-remote',
      at: { file },
      expected: 'the file that was opened',
      found: 'another one: it was replaced while it was being read',
      remedy: 'run the same command again',
      cause,
    });
  if (/PermissionDenied|40[13]/.test(text))
    return new PrepError({
      code: 'source-missing',
      at: { file },
      expected: 'a file that may be read',
      found: 'a refusal',
      remedy: 'give credentials in the usual place (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, HF_TOKEN)',
      cause,
    });
  return new PrepError({ code: 'bad-remote', at: { file }, expected: 'an answer', found: text, cause });
}
