/** Golden vectors that the Python client shares: the order must never change under a plan that exists. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { Segment } from '../../schemas/plan.ts';
import { drawSeed, segmentOrder } from '../../transforms/order/draws.ts';
import { ABSENT, pythonWith } from '../python/python.ts';

interface Vectors {
  readonly name: string;
  readonly segment: Segment;
  /** draw, entry, domain, ordinal, low and high word of the seed */
  readonly draws: readonly (readonly [number, number, number, number, number, number])[];
}
const FILE = fileURLToPath(new URL('../../fixtures/order/vectors.json', import.meta.url));
const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as readonly Vectors[];

it.each(vectors)('$name', ({ segment, draws }) => {
  const order = segmentOrder(segment);
  for (const [draw, entry, domain, ordinal, low, high] of draws) {
    expect(order.draw(draw)).toEqual({ entry, domain, ordinal });
    expect(drawSeed(segment.seed, draw)).toEqual([low, high]);
  }
});

const python = pythonWith('numpy');
it.skipIf(!python)(`the same in Python${python ? '' : ` (skipped: ${ABSENT})`}`, () => {
  const program = `
import json, sys, numpy as np
sys.path.insert(0, sys.argv[1])
from robot_prep.order import SegmentOrder, draw_seed
for case in json.load(open(sys.argv[2])):
    rows = np.array(case["draws"], dtype=np.int64)
    entry, domain, ordinal = SegmentOrder(case["segment"]).draws(rows[:, 0])
    seed = draw_seed(case["segment"]["seed"], rows[:, 0])
    words = rows[:, 4].astype(np.uint64) | rows[:, 5].astype(np.uint64) << np.uint64(32)
    assert (np.stack([entry, domain, ordinal], 1) == rows[:, 1:4]).all() and (seed == words).all(), case["name"]
print("equal")
`;
  const client = fileURLToPath(new URL('../../clients/python', import.meta.url));
  expect(execFileSync(python!, ['-c', program, client, FILE], { encoding: 'utf8' })).toBe('equal\n');
});
