/** Products of transforms with the wrong frames do not compile: asks the compiler. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const tsc = here('../../node_modules/typescript/bin/tsc');

/** What the compiler says of a project; '' when it is content. */
const compile = (project: string): Promise<string> =>
  new Promise((resolve) => {
    execFile(process.execPath, [tsc, '-p', project, '--noEmit'], (_, stdout) => resolve(stdout));
  });

it('every marked line is an error and every other line is none', async () => {
  expect(await compile(here('tsconfig.json'))).toBe('');
}, 60_000);

it('each mark stands for an error: without the marks the compiler names all of them', async () => {
  const source = readFileSync(here('frames.compile.ts'), 'utf8');
  const marks = source.match(/@ts-expect-error/g)!.length;
  const folder = mkdtempSync(join(tmpdir(), 'prep-frames-'));
  try {
    const bare = source.replaceAll('@ts-expect-error', '').replaceAll("'../../schemas/", `'${here('../../schemas/')}`);
    writeFileSync(join(folder, 'bare.ts'), bare);
    const project = { extends: here('../../tsconfig.json'), compilerOptions: { types: [] }, include: ['bare.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project));
    const said = await compile(join(folder, 'tsconfig.json'));
    // Type errors only: outside the package the compiler also grumbles about modules.
    expect(said.match(/error TS23(22|45):/g)?.length).toBe(marks);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
