/** What lies in a folder, where a server speaks HTTP alone: the Hub's tree, or the page that a file server makes of a folder. */
import { PrepError } from '../../schemas/errors.ts';
import { persist, Transient, waitAsked } from './retry.ts';
import type { Entry } from './root.ts';

/** A folder of a dataset has at most so many pages of entries. */
const MAX_PAGES = 10_000;
const MAX_PAGE = 2 ** 26;

/** GET with the same patience as ranges; 429 and 5xx are asked again, `Retry-After` is honoured. */
export async function get(url: string, headers: Readonly<Record<string, string>>): Promise<Response> {
  return persist(new URL(url).pathname, async () => {
    const response = await fetch(url, { headers }).catch((cause) => {
      throw new Transient(`no connection (${(cause as { cause?: Error }).cause?.message ?? (cause as Error).message})`);
    });
    if (response.status === 429 || response.status >= 500) {
      const asked = waitAsked(response.headers.get('retry-after'), response.headers.get('date'));
      throw new Transient(`status ${response.status}`, asked);
    }
    return response;
  });
}

interface HubFile {
  readonly type: string;
  readonly path: string;
  readonly size?: number;
  readonly oid?: string;
}

/** `https://…/api/datasets/<owner>/<name>/tree/<revision>/<path>`, page by page (`Link: <…>; rel="next"`). */
export async function hubEntries(tree: string, headers: Readonly<Record<string, string>>): Promise<Entry[]> {
  const found: Entry[] = [];
  let next: string | undefined = tree;
  for (let page = 0; next !== undefined && page < MAX_PAGES; page++) {
    const response: Response = await get(next, headers);
    if (!response.ok)
      throw noListing(
        tree,
        `status ${response.status}`,
        response.status === 401 ? 'set HF_TOKEN: the dataset is private or gated' : 'check the name and the revision',
      );
    for (const { type, path, size, oid } of (await response.json()) as HubFile[])
      found.push({ name: path.split('/').at(-1)!, size: type === 'directory' ? null : Number(size ?? 0), stamp: oid });
    next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
  }
  return found;
}

/** Links of a page like those of nginx, Apache or Python's file server that lead directly below it. */
export async function pageEntries(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ name: string; folder: boolean }[]> {
  const response = await get(url, headers);
  const type = response.headers.get('content-type') ?? '';
  const text = response.ok && /html/.test(type) ? await response.text() : '';
  if (text === '' || text.length > MAX_PAGE)
    throw noListing(
      url,
      response.ok ? `no page of links (${type || 'no type'})` : `status ${response.status}`,
      'serve the folder with a listing (autoindex), or use s3://, gs:// or hf://',
    );
  const base = new URL(url);
  const names = [...text.matchAll(/<a\s[^>]*href\s*=\s*["']([^"'?#]+)["']/gi)].flatMap(([, href]) => {
    const target = URL.canParse(href!, base.href) ? new URL(href!, base.href) : null;
    if (target?.origin !== base.origin || !target.pathname.startsWith(base.pathname)) return [];
    const below = decodeURIComponent(target.pathname.slice(base.pathname.length));
    const name = below.replace(/\/$/, '');
    return name === '' || name.includes('/') ? [] : [{ name, folder: below.endsWith('/') }];
  });
  return [...new Map(names.map((one) => [one.name, one])).values()];
}

function noListing(url: string, found: string, remedy: string): PrepError {
  const { origin, pathname } = new URL(url);
  return new PrepError({
    code: 'source-missing',
    at: { file: `${origin}${pathname}` },
    expected: 'a list of the folder',
    found,
    remedy,
  });
}
