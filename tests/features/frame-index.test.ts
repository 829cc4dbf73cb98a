/** The hash table of frames against a Map; keys of frames against their definition. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { frameIndex } from '../../transforms/features/frame-index.ts';
import { frameKeys, NO_FRAME } from '../../transforms/features/frame-key.ts';
import { openImageHash } from '../../transforms/image-hash.ts';

it('holds what a Map holds, the first place of a key, through every growth', () => {
  // Few different low words, so that keys collide; negative ones, as hashes are.
  const key = fc
    .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: -3, max: 3 }))
    .map(([low, high]) => BigInt(high) * 2n ** 32n + BigInt(low));
  fc.assert(
    fc.property(fc.array(key, { maxLength: 400 }), (keys) => {
      const [index, map] = [frameIndex(1), new Map<bigint, number>()];
      for (const [row, one] of keys.entries()) {
        expect(index.put(one, row % 3, row)).toBe(!map.has(one));
        if (!map.has(one)) map.set(one, row);
      }
      expect(index.size).toBe(map.size);
      for (const [one, row] of map) expect(index.get(one)).toEqual({ table: row % 3, row });
      expect(index.get(2n ** 60n)).toBeNull();
      expect(index.has(2n ** 60n)).toBe(false);
    }),
  );
});

it('gives a frame the key of its own views, in the order of the prompt', async () => {
  const hash = await openImageHash();
  const set = { views: ['third', 'wrist'], signatures: [['third', 'wrist'], ['third'], ['wrist']] } as const;
  const roles = ['third', 'third2', 'wrist'] as const;
  const rows = BigInt64Array.from([1n, 7n, 2n, 1n, 8n, 0n, 0n, 8n, 2n, 2n, 7n, 1n, 1n, 9n, 2n]);
  const { frame, signature } = frameKeys(rows, { roles, set, hash });
  const keyOf = (...words: bigint[]) => hash(new Uint8Array(BigInt64Array.from(words).buffer));
  // third is role 0, wrist role 2: four bits each, one more than the number.
  const [both, third, wrist] = [0x31n, 0x1n, 0x3n];
  expect([...signature]).toEqual([0, 1, 2, 0, 0]);
  expect([...frame]).toEqual([
    keyOf(both, 1n, 2n),
    keyOf(third, 1n),
    keyOf(wrist, 2n),
    keyOf(both, 2n, 1n),
    keyOf(both, 1n, 2n),
  ]);
  const without = frameKeys(rows, { roles, set: { ...set, signatures: [['third', 'wrist']] }, hash });
  expect([...without.signature]).toEqual([0, -1, -1, 0, 0]);
  expect(without.frame[1]).toBe(NO_FRAME);
});
