/** Laws of the draw order, for any weights and sizes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Segment, SegmentEntry } from '../../schemas/plan.ts';
import { bijection } from '../../transforms/order/bijection.ts';
import { drawSeed, planOrder, segmentOrder } from '../../transforms/order/draws.ts';
import { keyOf, PURPOSE } from '../../transforms/order/hash.ts';
import { apportion, openDomain, quotasOf } from '../../transforms/order/quotas.ts';
import { turnsOf } from '../../transforms/order/turns.ts';

interface Source {
  readonly weight: number;
  readonly sizes: readonly number[];
}

/** A plan of segments over fixed domains: entry k has domains 100k, 100k + 1, … */
function planOf(sources: readonly Source[], lengths: readonly number[], seed: number): Segment[] {
  const turns = turnsOf(sources.map(({ weight }) => weight));
  let states = sources.map(({ sizes }, k) =>
    sizes.map((size, d) => openDomain({ domain: 100 * k + d, size, pass: 0, cursor: 0 })),
  );
  let start = 0;
  return lengths.map((draws, segment) => {
    const entries = sources.map(({ weight }, k): SegmentEntry => {
      const count = turns.before(k, start + draws) - turns.before(k, start);
      return { name: `e${k}`, dataset: `d${k}`, weight, ...quotasOf(count, states[k]!) };
    });
    states = entries.map(({ after }) => after.map(openDomain));
    const domains = Object.fromEntries(sources.flatMap(({ sizes }, k) => sizes.map((size, d) => [100 * k + d, size])));
    const made: Segment = { plan: 'p', segment, start, draws, seed, turn: start, entries, domains };
    start += draws;
    return made;
  });
}

const weights = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 40 });
const sources = fc.array(
  fc.record({
    weight: fc.integer({ min: 1, max: 50 }),
    sizes: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 12 },
);
const lengths = fc.array(
  fc.integer({ min: 1, max: 40 }).map((slots) => slots * 16),
  { minLength: 1, maxLength: 4 },
);
const seeds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

describe('turns', () => {
  it('keep every entry within one turn of its share', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 3000 }), (given, until) => {
        const turns = turnsOf(given);
        const total = given.reduce((a, b) => a + b, 0);
        const had = given.map(() => 0);
        for (let t = 0; t < until; t++) {
          const k = turns.entry(t);
          expect([turns.rank(t), turns.before(k, t)]).toEqual([had[k], had[k]]);
          had[k]!++;
          for (const [i, weight] of given.entries())
            expect(Math.abs(had[i]! - ((t + 1) * weight) / total)).toBeLessThan(1);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each([[[]], [[0, 1]], [[1.5]], [[-1, 2]], [[65_536, 1]]])('refuse the weights %j', (given) => {
    expect(() => turnsOf(given)).toThrow(/bad-option .*weight/);
  });
});

describe('a keyed permutation', () => {
  it('hits every number once and can be undone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (size, key) => {
        const order = bijection(size, key);
        const seen = Array.from({ length: size }, (_, x) => order.at(x));
        expect(new Set(seen).size).toBe(size);
        expect(Math.max(...seen)).toBe(size - 1);
        for (const [x, y] of seen.entries()) expect(order.inverse(y)).toBe(x);
      }),
      { numRuns: 60 },
    );
  });

  it.each([1_263_000_000, 2 ** 40 + 1, 2 ** 42 - 12_345])('works on %d without memory', (size) => {
    const order = bijection(size, 99);
    for (let i = 0; i < 2000; i++) {
      const x = Math.floor((i / 2000) * size);
      const y = order.at(x);
      expect(y).toBeLessThan(size);
      expect(order.inverse(y)).toBe(x);
    }
  });

  it('looks random: neighbours and quarters by chi square', () => {
    // 15 degrees of freedom: 44 has a probability of 1e-4.
    for (const size of [4096, 61_440, 10_000_019]) {
      const order = bijection(size, 7);
      const [cells, steps] = [new Float64Array(16), new Float64Array(16)];
      const samples = 4096;
      for (let x = 0; x < samples; x++) {
        const [y, next] = [order.at(x % size), order.at((x + 1) % size)];
        cells[Math.floor((16 * y) / size)]!++;
        steps[Math.floor((16 * ((next - y + size) % size)) / size)]!++;
      }
      const chi = (counts: Float64Array) =>
        counts.reduce((sum, n) => sum + (n - samples / 16) ** 2 / (samples / 16), 0);
      if (size > 4096) expect(chi(cells)).toBeLessThan(44);
      expect(chi(steps)).toBeLessThan(44);
    }
  });
});

describe('draws', () => {
  it('give every entry its share at every multiple of 16, over segments', () => {
    fc.assert(
      fc.property(sources, lengths, seeds, (given, parts, seed) => {
        const order = planOrder(planOf(given, parts, seed));
        const total = given.reduce((sum, { weight }) => sum + weight, 0);
        const had = given.map(() => 0);
        const until = parts.reduce((a, b) => a + b, 0);
        for (let t = 0; t < until; t++) {
          had[order.draw(t).entry]!++;
          if (t % 16 !== 15) continue;
          for (const [k, { weight }] of given.entries())
            expect(Math.abs(had[k]! - ((t + 1) * weight) / total)).toBeLessThan(1);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('repeat no step within a pass, and take every step of it', () => {
    fc.assert(
      fc.property(sources, lengths, seeds, (given, parts, seed) => {
        const order = planOrder(planOf(given, parts, seed));
        const until = parts.reduce((a, b) => a + b, 0);
        const drawn = given.map((): string[] => []);
        for (let t = 0; t < until; t++) {
          const { entry, domain, ordinal } = order.draw(t);
          expect(ordinal).toBeLessThan(given[entry]!.sizes[domain - 100 * entry]!);
          drawn[entry]!.push(`${domain}/${ordinal}`);
        }
        for (const [k, { sizes }] of given.entries()) {
          const size = sizes.reduce((a, b) => a + b, 0);
          for (let from = 0; from < drawn[k]!.length; from += size) {
            const pass = drawn[k]!.slice(from, from + size);
            expect(new Set(pass).size).toBe(pass.length);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are the same wherever one begins, and whatever is appended later', () => {
    fc.assert(
      fc.property(sources, lengths, seeds, fc.nat(), (given, parts, seed, any) => {
        const long = planOf(given, [...parts, 160], seed);
        const [all, some] = [planOrder(long), planOrder(long.slice(0, -1))];
        const t = any % parts.reduce((a, b) => a + b, 0);
        expect(planOrder(long).draw(t)).toEqual(all.draw(t));
        expect(some.draw(t)).toEqual(all.draw(t));
        expect(drawSeed(seed, t)).toEqual(drawSeed(seed, t));
      }),
      { numRuns: 60 },
    );
  });

  it('share a segment between domains by what is left of each', () => {
    const [old, fresh] = [
      openDomain({ domain: 0, size: 1000, pass: 0, cursor: 900 }),
      openDomain({ domain: 1, size: 300, pass: 0, cursor: 0 }),
    ];
    const { runs, after } = quotasOf(80, [old, fresh]);
    expect(runs).toEqual([
      {
        draws: 80,
        repeat: 1,
        pieces: [
          { domain: 0, pass: 0, from: 900, count: 20 },
          { domain: 1, pass: 0, from: 0, count: 60 },
        ],
      },
    ]);
    expect(after.map(({ cursor }) => cursor)).toEqual([920, 60]);
  });

  it('pass over steps that are no longer valid, and draw all others once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 80 }),
        fc.uniqueArray(fc.nat(79), { maxLength: 40 }),
        fc.nat(40),
        seeds,
        (size, gone, begun, seed) => {
          const cursor = Math.min(begun, size);
          const skip = gone.filter((x) => x >= cursor && x < size).sort((a, b) => a - b);
          const left = size - cursor - skip.length;
          if (left === 0) return;
          const state = { domain: 0, size, pass: 3, cursor, skip, next: { domain: 1, size: size - skip.length } };
          const { runs, after } = quotasOf(left, [state]);
          const entries = [{ name: 'e', dataset: 'd', weight: 1, runs, after }];
          const draws = Math.ceil(left / 16) * 16;
          const domains = { 0: size, 1: Math.max(1, size - skip.length) };
          const order = segmentOrder({ plan: 'p', segment: 0, start: 0, draws, seed, turn: 0, entries, domains });
          const positions = new Set(skip);
          const inner = bijectionOf(seed, size);
          const found = new Set<number>();
          for (let t = 0; t < Math.floor(left / 16) * 16; t++) found.add(order.draw(t).ordinal);
          expect(found.size).toBe(Math.floor(left / 16) * 16);
          for (const position of positions) expect(found.has(inner.at(position))).toBe(false);
          expect(after[0]!.cursor).toBeGreaterThanOrEqual(cursor + left);
        },
      ),
    );
  });

  it('split a total in proportion, exactly', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(1_000_000_000), { minLength: 1, maxLength: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (shares, part) => {
          const all = shares.reduce((a, b) => a + b, 0);
          const total = Math.floor(all * part);
          const counts = apportion(total, shares);
          expect(counts.reduce((a, b) => a + b, 0)).toBe(total);
          for (const [i, share] of shares.entries()) {
            expect(counts[i]).toBeLessThanOrEqual(share);
            if (all > 0) expect(Math.abs(counts[i]! - (total * share) / all)).toBeLessThanOrEqual(1.000001);
          }
        },
      ),
    );
  });
});

/** The order of domain 0 in pass 3, as the draws use it. */
function bijectionOf(seed: number, size: number) {
  return bijection(size, keyOf(seed, PURPOSE.step, 0, 3, 0));
}
