/** schemas ← sources / transforms / sinks ← pipelines ← cli; the three in the middle never import one another, not even a type. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** What each folder may import, itself included. The viewer stands beside the command line. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  schemas: ['schemas'],
  sources: ['schemas', 'sources'],
  transforms: ['schemas', 'transforms'],
  sinks: ['schemas', 'sinks'],
  pipelines: ['schemas', 'sources', 'transforms', 'sinks', 'pipelines'],
  cli: ['schemas', 'sources', 'transforms', 'sinks', 'pipelines', 'cli'],
};
/** `from '…'`, `import '…'`, `import('…')`, `new URL('….ts', import.meta.url)`, `require('…')`. */
const IMPORT = /(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\(|\bnew URL\s*\()\s*['"`]([^'"`]+)['"`]/g;

interface Import {
  readonly file: string;
  readonly target: string;
}

/** Relative imports of a source text, as paths from the root. `file` is relative to the root too. */
function importsOf(file: string, text: string): Import[] {
  // A comment may talk about an import; a string may hold `//`, so only whole comment lines fall away.
  const code = text.replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, '');
  return [...code.matchAll(IMPORT)]
    .map((match) => match[1]!)
    .filter((target) => target.startsWith('.'))
    .map((target) => ({ file, target: relative(ROOT, resolve(ROOT, dirname(file), target)) }));
}

function violations(imports: readonly Import[]): string[] {
  const folder = (path: string): string => path.split('/')[0]!;
  return imports
    .filter(({ file, target }) => !ALLOWED[folder(file)]!.includes(folder(target)) && target !== 'package.json')
    .map(({ file, target }) => `${file} imports ${target}`);
}

const files = Object.keys(ALLOWED).flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`),
);

describe('the import rule', () => {
  it('holds in every file', () => {
    const imports = files.flatMap((file) => importsOf(file, readFileSync(join(ROOT, file), 'utf8')));
    // Fewer would mean that the parser went blind.
    expect(imports.length).toBeGreaterThan(files.length);
    expect(violations(imports)).toEqual([]);
  });
  it.each([
    ['transforms/x.ts', "import { a } from '../sources/bytes.ts';"],
    ['transforms/x.ts', "import type { A } from '../sinks/sink.ts';"],
    ['transforms/deep/x.ts', "export * from '../../sinks/sink.ts';"],
    ['sources/formats/x.ts', "import {\n  type A,\n  b,\n} from '../../transforms/labels.ts';"],
    ['sources/x.ts', "const load = () => import('../transforms/labels.ts');"],
    ['sinks/x.ts', "const worker = new URL('../pipelines/pixel-worker.ts', import.meta.url);"],
    ['sinks/x.ts', "import '../cli/main.ts';"],
    ['schemas/x.ts', 'import { a } from "../transforms/labels.ts";'],
    ['pipelines/x.ts', "type A = import('../cli/options.ts').A;"],
    ['cli/x.ts', "import { a } from '../tests/a.ts';"],
  ])('a violation planted in %s is seen: %s', (file, text) => {
    expect(violations(importsOf(file, text))).toHaveLength(1);
  });
  it.each([
    ['pipelines/x.ts', "import { a } from '../sinks/sink.ts';\nimport { b } from './b.ts';"],
    ['sources/formats/x.ts', "import { a } from '../../schemas/errors.ts';\nimport { b } from '../bytes.ts';"],
    ['transforms/x.ts', "// once: from '../sinks/sink.ts'\nimport fs from 'node:fs';"],
  ])('what is allowed in %s is not', (file, text) => expect(violations(importsOf(file, text))).toEqual([]));
});
