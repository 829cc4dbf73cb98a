/** `https://…`, `s3://bucket/…`, `gs://bucket/…`, `hf://datasets/<owner>/<name>[@revision][/folder]` → a folder. */
import { Operator } from 'opendal';
import { PrepError } from '../../schemas/errors.ts';
import type { ByteRoot } from '../bytes.ts';
import { type Access, shown } from './access.ts';
import { hubEntries, pageEntries } from './listing.ts';
import { type Entry, type Remote, remoteRoot } from './root.ts';

const HUB = 'https://huggingface.co';
/** Files of a page of links whose size is asked for at the same time. */
const STAT_CONCURRENCY = 16;

/** @throws PrepError `source-missing` for an address that is none of these */
export function openRemoteRoot(uri: string, access: Access): ByteRoot {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(uri)![1]!.toLowerCase();
  if (scheme === 's3' || scheme === 'gs') return remoteRoot(bucket(uri, scheme, access));
  if (scheme === 'hf') return remoteRoot(hub(uri, access));
  if (scheme === 'http' || scheme === 'https') return remoteRoot(server(uri));
  throw unknown(uri, 'a path, https://, s3://, gs:// or hf://');
}

const unknown = (uri: string, expected: string): PrepError =>
  new PrepError({ code: 'source-missing', at: { file: shown(uri) }, expected, found: shown(uri) });

const trimmed = (path: string): string => path.replace(/^\/+|\/+$/g, '');

/** Keys and profiles are found by the library itself, in the places where they usually are; public buckets need none. */
function bucket(uri: string, scheme: 's3' | 'gs', access: Access): Remote {
  const [, name, path = ''] = /^[a-z0-9]+:\/\/([^/?#]+)\/?([^?#]*)/i.exec(uri) ?? [];
  if (!name) throw unknown(uri, `${scheme}://bucket/folder`);
  const shared = { bucket: name, root: `/${trimmed(path)}`, allow_anonymous: 'true' };
  const s3 = { region: access.s3Region ?? 'us-east-1', ...(access.s3Endpoint ? { endpoint: access.s3Endpoint } : {}) };
  const gcs = access.gcsEndpoint ? { endpoint: access.gcsEndpoint } : {};
  const operator =
    scheme === 's3' ? new Operator('s3', { ...shared, ...s3 }) : new Operator('gcs', { ...shared, ...gcs });
  return { operator, uri: shown(uri).replace(/\/+$/, ''), list: (folder) => listed(operator, folder) };
}

async function listed(operator: Operator, folder: string): Promise<Entry[]> {
  const found: Entry[] = [];
  for (const entry of await operator.list(folder)) {
    const path = entry.path();
    const name = path.slice(folder.length).replace(/\/$/, '');
    if (name === '') continue;
    const { contentLength, etag, lastModified } = entry.metadata();
    const stamp = etag ?? lastModified ?? undefined;
    found.push({ name, size: path.endsWith('/') ? null : Number(contentLength ?? 0), stamp });
  }
  return found;
}

function hub(uri: string, { hubEndpoint = HUB, hubToken }: Access): Remote {
  const [, repository, revision = 'main', path = ''] =
    /^hf:\/\/datasets\/([^/@?#]+\/[^/@?#]+)(?:@([^/?#]+))?\/?([^?#]*)/i.exec(uri) ?? [];
  if (!repository) throw unknown(uri, 'hf://datasets/<owner>/<name>[@revision][/folder]');
  const below = trimmed(path);
  const root = `/datasets/${repository}/resolve/${encodeURIComponent(revision)}${below === '' ? '' : `/${below}`}`;
  const operator = new Operator('http', { endpoint: hubEndpoint, root, ...(hubToken ? { token: hubToken } : {}) });
  const headers = hubToken ? { authorization: `Bearer ${hubToken}` } : {};
  const tree = `${hubEndpoint}/api/datasets/${repository}/tree/${encodeURIComponent(revision)}`;
  return {
    operator,
    uri: shown(uri).replace(/\/+$/, ''),
    list: (folder) =>
      hubEntries(
        [tree, below, folder]
          .map(trimmedUrl)
          .filter((part) => part !== '')
          .join('/'),
        headers,
      ),
  };
}

const trimmedUrl = (part: string): string =>
  part.includes('://') ? part : trimmed(part).split('/').map(encodeURIComponent).join('/');

function server(uri: string): Remote {
  if (!URL.canParse(uri)) throw unknown(uri, 'an address');
  const { origin, pathname, username, password, search } = new URL(uri);
  if (search !== '') throw unknown(uri, 'the address of a folder, without a query');
  const root = `/${trimmed(decodeURIComponent(pathname))}`;
  const login =
    username === '' ? {} : { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  const operator = new Operator('http', { endpoint: origin, root, ...login });
  const headers: Record<string, string> =
    username === ''
      ? {}
      : { authorization: `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}` };
  return {
    operator,
    uri: `${origin}${root === '/' ? '' : root}`,
    async list(folder) {
      const address = `${origin}${root === '/' ? '' : root.split('/').map(encodeURIComponent).join('/')}/${folder.split('/').map(encodeURIComponent).join('/')}`;
      const links = await pageEntries(address, headers);
      const found: Entry[] = [];
      for (let i = 0; i < links.length; i += STAT_CONCURRENCY)
        found.push(
          ...(await Promise.all(links.slice(i, i + STAT_CONCURRENCY).map((one) => measured(operator, folder, one)))),
        );
      return found;
    },
  };
}

async function measured(
  operator: Operator,
  folder: string,
  { name, folder: isFolder }: { name: string; folder: boolean },
): Promise<Entry> {
  if (isFolder) return { name, size: null };
  const { contentLength } = await operator.stat(`${folder}${name}`);
  return { name, size: Number(contentLength ?? 0) };
}
