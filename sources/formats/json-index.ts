/**
 * A large JSON object `{ key: value, … }` read without parsing it whole: one scan finds where each top-level value lies,
 * a look-up parses that value alone. Published side files are up to 175 MB together; this keeps some tens of MB of keys.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { PrepError } from '../../schemas/errors.ts';

export interface JsonIndex {
  readonly size: number;
  keys(): IterableIterator<string>;
  /** The value of a key, parsed, and its raw text; undefined if the key is absent. @throws PrepError `bad-value` */
  get(key: string): { readonly value: unknown; readonly text: string } | undefined;
  close(): void;
}

const [QUOTE, BACKSLASH, OPEN, CLOSE, COLON, COMMA] = [34, 92, 123, 125, 58, 44];
const OPENERS = new Set([OPEN, 91]);
const CLOSERS = new Set([CLOSE, 93]);
const SPACE = new Set([32, 9, 10, 13]);

/** @throws PrepError `bad-value` naming the file and the byte at which it is no JSON object. */
export function openJsonIndex(path: string): JsonIndex {
  const places = scan(readFileSync(path), path);
  const file = openSync(path, 'r');
  return {
    size: places.size,
    keys: () => places.keys(),
    get(key) {
      const place = places.get(key);
      if (!place) return undefined;
      const buffer = Buffer.alloc(place[1] - place[0]);
      readSync(file, buffer, 0, buffer.length, place[0]);
      const text = buffer.toString('utf8');
      return { value: parse(text, path, key), text };
    },
    close: () => closeSync(file),
  };
}

/** What Python's `json` writes for numbers that JSON has no word for; strings are matched first and left as they are. */
const PYTHON_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;

/** A number that is not finite becomes null: whoever uses the value refuses it by name, and nothing else is lost. */
function parse(text: string, path: string, key: string): unknown {
  try {
    if (!/NaN|Infinity/.test(text)) return JSON.parse(text);
    return JSON.parse(text.replace(PYTHON_NUMBERS, (found) => (found.startsWith('"') ? found : 'null')));
  } catch (cause) {
    throw new PrepError({
      code: 'bad-value',
      at: { file: path, field: key },
      expected: 'JSON',
      found: String(cause),
      cause,
    });
  }
}

/** Key → [start, end) of its value, in bytes. Strings and nesting are followed; values are not looked into. */
function scan(bytes: Uint8Array, path: string): Map<string, [number, number]> {
  const places = new Map<string, [number, number]>();
  const fail = (at: number, expected: string): PrepError =>
    new PrepError({
      code: 'bad-value',
      at: { file: path, offset: at },
      expected: `a JSON object: ${expected}`,
      found: at < bytes.length ? `'${String.fromCharCode(bytes[at]!)}'` : 'the end of the file',
      remedy: 'fetch the file again',
    });
  const blank = (at: number): number => {
    let i = at;
    while (SPACE.has(bytes[i]!)) i++;
    return i;
  };
  let i = blank(0);
  if (bytes[i] !== OPEN) throw fail(i, "'{'");
  i = blank(i + 1);
  while (bytes[i] !== CLOSE) {
    if (bytes[i] !== QUOTE) throw fail(i, 'a key');
    const end = stringEnd(bytes, i);
    if (end < 0) throw fail(bytes.length, 'the end of a key');
    const key = parse(Buffer.from(bytes.subarray(i, end)).toString('utf8'), path, 'a key') as string;
    i = blank(end);
    if (bytes[i] !== COLON) throw fail(i, "':'");
    const start = blank(i + 1);
    const stop = valueEnd(bytes, start);
    if (stop < 0 || stop === start) throw fail(stop < 0 ? bytes.length : start, `the value of ${key}`);
    places.set(key, [start, stop]);
    i = blank(stop);
    if (bytes[i] === COMMA) i = blank(i + 1);
    else if (bytes[i] !== CLOSE) throw fail(i, "',' or '}'");
  }
  return places;
}

/** Index after the closing quote of the string that opens at `at`; -1 if there is none. */
function stringEnd(bytes: Uint8Array, at: number): number {
  for (let i = at + 1; i < bytes.length; i++) {
    if (bytes[i] === BACKSLASH) i++;
    else if (bytes[i] === QUOTE) return i + 1;
  }
  return -1;
}

function valueEnd(bytes: Uint8Array, at: number): number {
  let depth = 0;
  for (let i = at; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === QUOTE) {
      const end = stringEnd(bytes, i);
      if (end < 0) return -1;
      i = end - 1;
    } else if (OPENERS.has(byte)) depth++;
    else if (depth === 0 && (byte === COMMA || CLOSERS.has(byte))) return i;
    else if (CLOSERS.has(byte)) depth--;
    if (depth === 0 && (byte === QUOTE || CLOSERS.has(byte))) return i + 1;
  }
  return -1;
}
