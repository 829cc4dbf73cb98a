/** What a new segment draws from: episodes that are gone, changed, new. */
import { expect, it } from 'vitest';
import { type Domain, domainBuilder } from '../../pipelines/plan/domain.ts';
import type { StepRange } from '../../pipelines/plan/eligible.ts';
import { openDomains } from '../../pipelines/plan/extend.ts';
import { bijection } from '../../transforms/order/bijection.ts';
import { keyOf, PURPOSE } from '../../transforms/order/hash.ts';
import { quotasOf } from '../../transforms/order/quotas.ts';

type Episodes = Readonly<Record<number, readonly StepRange[]>>;

function builderOf(episodes: Episodes) {
  const builder = domainBuilder();
  for (const [key, ranges] of Object.entries(episodes)) builder.add(BigInt(key), ranges, 0);
  return builder;
}

const stepAt = ({ keys, starts, ends, firsts }: Domain, ordinal: number): string => {
  const i = firsts.findLastIndex((first) => first <= ordinal);
  const step = starts[i]! + ordinal - firsts[i]!;
  expect(step).toBeLessThan(ends[i]!);
  return `${keys[i]}/${step}`;
};

/** Steps that a segment draws after one over `before` has drawn `drawn`, for `draws` draws. */
function drawnAfter(before: Episodes, drawn: number, now: Episodes, draws: number): string[] {
  const old = builderOf(before).build();
  const made = new Map<number, Domain>();
  const building = { seed: 7, next: 1, known: new Map([[0, old]]), made };
  const state = { domain: 0, size: old.size, pass: 0, cursor: drawn };
  const { open } = openDomains({ name: 'e', dataset: 'd', after: [state] }, { eligible: builderOf(now) }, building);
  const { runs } = quotasOf(draws, open);
  return runs.flatMap(({ pieces, repeat }) =>
    Array.from({ length: repeat }).flatMap((_, again) =>
      pieces.flatMap(({ domain, pass, from, count, skip = [] }) => {
        const one = made.get(domain) ?? old;
        const order = bijection(one.size, keyOf(7, PURPOSE.step, domain, pass + again, 0));
        const gaps = new Set(skip);
        const positions = Array.from({ length: one.size - from }, (_, i) => from + i).filter((at) => !gaps.has(at));
        return positions.slice(0, count).map((at) => stepAt(one, order.at(at)));
      }),
    ),
  );
}

const allSteps = (episodes: Episodes): string[] =>
  Object.entries(episodes)
    .flatMap(([key, ranges]) =>
      ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => `${key}/${start + i}`)),
    )
    .sort();

it('is what the rules leave now, once each, where flags changed meanwhile', () => {
  const before = { 1: [{ start: 0, end: 20 }], 2: [{ start: 0, end: 10 }], 3: [{ start: 0, end: 5 }] };
  const now = {
    1: [
      { start: 0, end: 5 },
      { start: 9, end: 20 },
    ],
    2: [{ start: 0, end: 10 }],
    4: [{ start: 2, end: 6 }],
  };
  expect(drawnAfter(before, 0, now, allSteps(now).length).sort()).toEqual(allSteps(now));
  // A whole pass after the rest of the one that was begun.
  const rest = drawnAfter(before, 12, now, 1000);
  for (const step of rest) expect(allSteps(now)).toContain(step);
  expect(new Set(rest).size).toBe(allSteps(now).length);
});
