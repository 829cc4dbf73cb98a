/** CONTRIBUTING.md is true: its mapping and its dataset file are the fixtures, its commands run, its keys are the schema's. */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { mappingSchema } from '../../sources/mapping/schema.ts';
import { startPrep } from '../cli/run.ts';
import { freshFolder } from '../e2e/demo-set.ts';
import { MADE, mappingOf } from './made.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const text = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');
const section = (title: string): string => text.split(`\n## ${title}\n`)[1]!.split('\n## ')[0]!;
const block = (title: string, language: string): string =>
  section(title).split(`\`\`\`${language}\n`)[1]!.split('```')[0]!;

describe('CONTRIBUTING.md', () => {
  it('shows the files of fixtures/mapping', () => {
    expect(JSON.parse(block('A mapping file', 'json'))).toEqual(mappingOf('hdf5'));
    expect(block('Add a dataset', 'ts')).toBe(readFileSync(join(MADE, 'my-dataset.ts'), 'utf8'));
    expect(section('Your own dataset').split('\n').length).toBeLessThan(100);
    expect(block('Add a dataset', 'ts').split('\n').length).toBeLessThan(100);
  });

  it('explains every key of a mapping', () => {
    const words = section('A mapping file') + section('Your own dataset');
    const ofNoUse = ['$schema', 'title', 'licence'];
    for (const key of Object.keys(mappingSchema.shape)) if (!ofNoUse.includes(key)) expect(words).toContain(`\`${key}`);
  });

  it('gives commands that run', async () => {
    const cwd = freshFolder();
    cpSync(join(MADE, 'hdf5'), join(cwd, 'my_runs'), { recursive: true });
    cpSync(join(MADE, 'my-dataset.ts'), join(cwd, 'my-dataset.ts'));
    const lines = block('Your own dataset', 'sh').trim().split('\n');
    const coded = /`prep (ingest \.\/my-dataset\.ts [^`]*)`/.exec(section('Add a dataset'))![1]!;
    for (const line of [...lines, `prep ${coded} --as coded`]) {
      const { code, stderr } = await startPrep(line.split(' ').slice(1), { cwd }).ended;
      expect([line, code, stderr.replace(/^prep: \d+ guesses[\s\S]*/, '')]).toEqual([line, 0, expect.any(String)]);
    }
    expect(lines).toHaveLength(5);
  });

  it('its dataset file satisfies the types that the package exports; wrong fields are errors at their own lines', () => {
    const tsc = (project: string) =>
      spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project, '--noEmit'], { encoding: 'utf8' });
    const { status, stdout } = tsc(join(ROOT, 'tests/mapping/tsconfig.json'));
    expect([status, stdout]).toEqual([0, '']);
  });
});
