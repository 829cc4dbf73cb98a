/** The second pass over a source: which of its episodes a plan needs, and which of their steps. */
import { PrepError } from '../schemas/errors.ts';
import { type LackingEpisode, lackingEpisodes } from '../sinks/lacking.ts';
import { readSegments } from '../sinks/plans.ts';
import { connectStore } from '../sinks/store.ts';
import { openDomains } from './mixed/plan-rows.ts';
import { drawnSteps, markDraws, newMarks } from './plan/drawn-steps.ts';

/**
 * Episodes that lack rows which the plan draws from a dataset.
 * @throws PrepError `unknown-plan`, `bad-option` where the plan draws nothing from it
 */
export async function lackingFor(uri: string, plan: string, dataset: string): Promise<LackingEpisode[]> {
  const store = await connectStore(uri);
  try {
    const segments = await readSegments(store, plan);
    const entries = segments.flatMap(({ segment }) => segment.entries);
    const mine = entries.filter((entry) => entry.dataset === dataset);
    if (mine.length === 0) throw notDrawn(plan, dataset, [...new Set(entries.map((entry) => entry.dataset))]);
    const ids = new Set(
      mine.flatMap(({ runs, after }) =>
        [...runs.flatMap(({ pieces }) => pieces), ...after].map(({ domain }) => domain),
      ),
    );
    const domains = new Map([...(await openDomains(store, plan, segments))].filter(([id]) => ids.has(id)));
    const marks = newMarks(domains);
    for (const { segment } of segments) markDraws(marks, segment, dataset);
    const found: LackingEpisode[] = [];
    for await (const one of lackingEpisodes(store, dataset, drawnSteps(domains, marks))) found.push(one);
    return found;
  } finally {
    store.connection.close();
  }
}

const notDrawn = (plan: string, dataset: string, drawn: readonly string[]): PrepError =>
  new PrepError({
    code: 'bad-option',
    at: { dataset, field: '--plan' },
    expected: `a dataset that plan ${plan} draws from (${drawn.join(', ')})`,
    found: dataset,
  });
