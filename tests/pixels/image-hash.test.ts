import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openImageHash } from '../../transforms/image-hash.ts';

const rows: { length: number; signed: string }[] = JSON.parse(
  readFileSync(new URL('../../fixtures/pixel_hash/hashes.json', import.meta.url), 'utf8'),
);

it('is the xxh3-64 of the reference library as int64, also for views and after other calls', async () => {
  const hash = await openImageHash();
  expect(rows.some(({ signed }) => signed.startsWith('-'))).toBe(true);
  for (const { length, signed } of rows) {
    const whole = Uint8Array.from({ length: length + 5 }, (_, i) => 131 * (i - 3) + 7);
    expect(hash(whole.subarray(3, 3 + length))).toBe(BigInt(signed));
  }
});
