/** Drawn steps by episode against a plain list of all draws. */
import { expect, it } from 'vitest';
import { domainBuilder } from '../../pipelines/plan/domain.ts';
import { drawnSteps, markDraws, newMarks } from '../../pipelines/plan/drawn-steps.ts';
import type { Segment } from '../../schemas/plan.ts';
import { segmentOrder } from '../../transforms/order/draws.ts';
import { openDomain, quotasOf } from '../../transforms/order/quotas.ts';
import { turnsOf } from '../../transforms/order/turns.ts';

/** Two entries of `a` over overlapping episodes, one of `b`; ranges with holes. */
function planned() {
  const domains = [0, 1, 2].map((id) => {
    const builder = domainBuilder();
    for (let episode = 0; episode < 6 + id; episode++)
      builder.add(
        BigInt(episode * 7 + 3),
        [
          { start: 0, end: 5 + episode },
          { start: 20 + id, end: 41 },
        ],
        episode,
      );
    return builder.build();
  });
  const weights = [3, 1, 2];
  const turns = turnsOf(weights);
  const segment: Segment = {
    ...{ plan: 'p', segment: 0, start: 0, draws: 160, seed: 4, turn: 0 },
    entries: ['a', 'a', 'b'].map((dataset, k) => ({
      name: `${dataset}${k}`,
      dataset,
      weight: weights[k]!,
      ...quotasOf(turns.before(k, 160), [openDomain({ domain: k, size: domains[k]!.size, pass: 0, cursor: 0 })]),
    })),
    domains: Object.fromEntries(domains.map(({ size }, id) => [id, size])),
  };
  return { segment, domains };
}

it.each(['a', 'b'])('of dataset %s', (dataset) => {
  const { segment, domains } = planned();
  const order = segmentOrder(segment);
  const wanted = new Map<bigint, Set<number>>();
  for (let t = 0; t < segment.draws; t++) {
    const { entry, domain, ordinal } = order.draw(t);
    if (segment.entries[entry]!.dataset !== dataset) continue;
    const { keys, starts, firsts } = domains[domain]!;
    const range = firsts.findLastIndex((first) => first <= ordinal);
    const steps = wanted.get(keys[range]!) ?? new Set();
    wanted.set(keys[range]!, steps.add(starts[range]! + ordinal - firsts[range]!));
  }
  const own = new Map(domains.flatMap((one, id) => (segment.entries[id]!.dataset === dataset ? [[id, one]] : [])));
  const marks = newMarks(own);
  markDraws(marks, segment, dataset);
  const drawn = drawnSteps(own, marks);
  for (let key = 0n; key < 80n; key++)
    expect([...drawn.of(key)]).toEqual([...(wanted.get(key) ?? [])].sort((a, b) => a - b));
  expect(wanted.size).toBeGreaterThan(3);
});
