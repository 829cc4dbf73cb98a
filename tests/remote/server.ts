/** A file server on loopback with ranges, listings and ETags that also fails on purpose; and the same as a Hub. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface Fault {
  /** `status`: answer with it · `reset`: break the connection before the answer · `short`: break it in the middle of the body · `whole`: ignore the range */
  readonly kind: 'reset' | 'short' | 'whole' | number;
  readonly retryAfter?: number;
}

export interface FileServer {
  readonly url: string;
  readonly requests: { method: string; path: string; range: string | undefined; authorization: string | undefined }[];
  /** Bytes of bodies sent. */
  sent: number;
  /** Asked at every request for a file; what it gives is done instead of the answer. */
  fault: (path: string, count: number) => Fault | undefined;
  /** Content that replaces a file's. */
  readonly replaced: Map<string, Buffer>;
  close(): Promise<void>;
}

export async function serve(folder: string, { listing = true, hub = false } = {}): Promise<FileServer> {
  const counts = new Map<string, number>();
  const state: Omit<FileServer, 'url' | 'close'> = {
    requests: [],
    sent: 0,
    fault: () => undefined,
    replaced: new Map(),
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url!, 'http://x');
    const path = decodeURIComponent(url.pathname);
    const { range, authorization } = request.headers;
    state.requests.push({ method: request.method!, path, range, authorization });
    if (hub) {
      const tree = /^\/api\/datasets\/me\/set\/tree\/main\/?(.*)$/.exec(path);
      if (tree) return hubTree(folder, tree[1]!, url, response);
      const file = /^\/datasets\/me\/set\/resolve\/main\/(.*)$/.exec(path);
      // The real Hub sends readers on to another host.
      if (file) return void response.writeHead(302, { location: `/cdn/${file[1]}` }).end();
      return answer(folder, path.replace(/^\/cdn\//, ''), { request, response, state, counts });
    }
    const relative = path.replace(/^\/+/, '');
    if (isFolder(join(folder, relative)))
      return listing ? index(folder, relative, response) : void response.writeHead(404).end();
    return answer(folder, relative, { request, response, state, counts });
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  return Object.assign(state, {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  });
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

function index(folder: string, path: string, response: ServerResponse): void {
  const links = readdirSync(join(folder, path), { withFileTypes: true }).map((entry) => {
    const name = encodeURIComponent(entry.name) + (entry.isDirectory() ? '/' : '');
    return `<a href="${name}">${entry.name}</a>`;
  });
  response
    .writeHead(200, { 'content-type': 'text/html' })
    .end(`<html><a href="../">..</a><a href="/elsewhere/x">no</a>${links.join('\n')}</html>`);
}

/** Two entries a page, so that readers must follow the links. */
function hubTree(folder: string, path: string, url: URL, response: ServerResponse): void {
  const all = readdirSync(join(folder, path), { withFileTypes: true }).map((entry) => ({
    type: entry.isDirectory() ? 'directory' : 'file',
    path: join(path, entry.name),
    size: entry.isDirectory() ? 0 : statSync(join(folder, path, entry.name)).size,
  }));
  const from = Number(url.searchParams.get('cursor') ?? 0);
  const next =
    from + 2 < all.length
      ? { link: `<http://${response.req.headers.host}${url.pathname}?cursor=${from + 2}>; rel="next"` }
      : {};
  response
    .writeHead(200, { 'content-type': 'application/json', ...next })
    .end(JSON.stringify(all.slice(from, from + 2)));
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly state: Omit<FileServer, 'url' | 'close'>;
  readonly counts: Map<string, number>;
}

function answer(folder: string, path: string, { request, response, state, counts }: Asked): void {
  const full = join(folder, path);
  if (!statSync(full, { throwIfNoEntry: false })?.isFile()) return void response.writeHead(404).end();
  const bytes = state.replaced.get(path) ?? readFileSync(full);
  const etag = `"${createHash('md5').update(bytes).digest('hex')}"`;
  const count = (counts.get(path) ?? 0) + 1;
  counts.set(path, count);
  const fault = request.method === 'GET' ? state.fault(path, count) : undefined;
  if (typeof fault?.kind === 'number')
    return void response
      .writeHead(fault.kind, fault.retryAfter === undefined ? {} : { 'retry-after': `${fault.retryAfter}` })
      .end();
  if (fault?.kind === 'reset') return void request.socket.destroy();
  const match = request.headers['if-match'];
  if (match !== undefined && match !== etag) return void response.writeHead(412).end();
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const ranged = from !== undefined && fault?.kind !== 'whole';
  const [start, end] = ranged
    ? [Number(from), to === '' ? bytes.length : Math.min(bytes.length, Number(to) + 1)]
    : [0, bytes.length];
  const body = bytes.subarray(start, end);
  const headers = { etag, 'accept-ranges': 'bytes', 'content-length': body.length };
  response.writeHead(
    ranged ? 206 : 200,
    ranged ? { ...headers, 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` } : headers,
  );
  if (request.method === 'HEAD') return void response.end();
  state.sent += body.length;
  if (fault?.kind !== 'short') return void response.end(body);
  response.write(body.subarray(0, body.length >> 1));
  setTimeout(() => request.socket.destroy(), 20);
}
