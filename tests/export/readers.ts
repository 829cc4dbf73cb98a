/** Who reads an export: the format's own library where some Python has it, and the standard library with numpy and pyarrow. */
import { spawnSync } from 'node:child_process';
import { pythonWith } from '../python/python.ts';

const LIBRARIES = { webdataset: 'webdataset', mds: 'streaming', lerobot: 'lerobot' } as const;
const PLAIN = { webdataset: ['numpy'], mds: ['numpy'], lerobot: ['numpy', 'pyarrow', 'PIL'] } as const;

export interface Reader {
  readonly python: string | undefined;
  readonly library: string;
  /** In a test's name: who reads, and why not. */
  readonly how: string;
}

/** `PREP_EXPORT_PYTHON`: interpreters with `webdataset`, `streaming` or `lerobot`, between colons; the three do not agree on versions. */
export function readersOf(format: keyof typeof LIBRARIES): Reader[] {
  const library = LIBRARIES[format];
  const others = (process.env.PREP_EXPORT_PYTHON ?? '').split(':').filter((path) => path !== '');
  const own = others.find((path) => has(path, library)) ?? pythonWith(library);
  const plain = pythonWith(...PLAIN[format]);
  return [
    {
      python: plain,
      library: 'plain',
      how: plain ? PLAIN[format].join(', ') : `nothing: no Python with ${PLAIN[format].join(', ')}: set PREP_PYTHON`,
    },
    { python: own, library, how: own ? library : `nothing: no Python with ${library}: set PREP_EXPORT_PYTHON` },
  ];
}

const has = (python: string, library: string): boolean => spawnSync(python, ['-c', `import ${library}`]).status === 0;
