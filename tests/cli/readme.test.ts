/** The README says what the program says. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { prep } from './run.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

it('lists the datasets as `prep datasets` does', async () => {
  const { stdout } = await prep('datasets', '--markdown');
  const [, table] = /<!-- datasets:.*-->\n([\s\S]*?)\n<!-- end -->/.exec(README) ?? [];
  expect(table, 'paste the output of `prep datasets --markdown` into README.md').toBe(stdout.trim());
});
