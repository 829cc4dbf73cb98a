/** Names and texts of episodes. */
import type { EpisodePlace } from '../../schemas/spec.ts';

/** Id of an episode whose record carries none: its place in the container. */
export const placeId = ({ container, split, index }: EpisodePlace): string => `${container}/${split}/${index}`;

/** An id as published → one without `:` and without a leading `/`. */
export const plainId = (id: string): string => id.replaceAll(':', '_').replace(/^\/+/, '');

/** What is a text and says something, trimmed, in order. */
export const said = (texts: readonly unknown[]): string[] =>
  texts
    .filter((text): text is string => typeof text === 'string')
    .map((text) => text.trim())
    .filter((text) => text !== '');

/** The same, each text once. */
export const saidOnce = (texts: readonly unknown[]): string[] => [...new Set(said(texts))];

/** Paths of a file that lies at the root or a few folders above another: `name`, `a/name` for `a/b/c.h5`. */
export function aboveOf(path: string, name: string): string[] {
  const folders = path.split('/').slice(0, -1);
  return folders.map((_, i) => [...folders.slice(0, i), name].join('/'));
}

/** The cell beside `key` in a CSV of two columns, '' where it is not listed; quoted where a text holds a comma. */
export function besideKey(csv: string, key: string): string {
  const line = csv.split(/\r?\n/).find((one) => one.startsWith(`${key},`) || one.startsWith(`"${key}",`));
  const text = line?.slice(line.indexOf(',', line.indexOf(key) + key.length) + 1).trim() ?? '';
  return (text.startsWith('"') ? text.slice(1, text.lastIndexOf('"')).replaceAll('""', '"') : text).trim();
}

/** A text that may be a JSON list of texts. */
export function listedTexts(text: string): string[] {
  if (!text.trim().startsWith('[')) return [text];
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.map(String) : [];
  } catch {
    return [text];
  }
}
