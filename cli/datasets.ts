/** `prep datasets`: what can be ingested, from the dataset files themselves. */
import { EXIT } from '../schemas/errors.ts';
import { datasetNames, MAPPED, openDataset } from '../sources/index.ts';
import { openOutput } from './print.ts';

interface Listed {
  readonly name: string;
  readonly title: string;
  readonly format: string;
  readonly licence: string;
  readonly robots: readonly {
    readonly name: string;
    readonly arms: number;
    readonly hz: number;
    readonly eeOrigin: string;
  }[];
  readonly cameras: readonly { readonly name: string; readonly mount: string; readonly roles: readonly string[] }[];
  readonly calibration: string;
  readonly impossible: string;
}

export async function datasets(words: { json?: boolean; markdown?: boolean }): Promise<number> {
  const specs = (await Promise.all(datasetNames().map((name) => openDataset(name)))).flat();
  const listed: Listed[] = specs.map((spec) => ({
    name: spec.name,
    title: spec.title,
    format: spec.format as string,
    licence: spec.licence,
    robots: Object.entries(spec.robots).map(([name, { arms, hz, eeOrigin }]) => ({ name, arms, hz, eeOrigin })),
    cameras: spec.cameras.map(({ name, mount, roles }) => ({ name, mount, roles })),
    calibration: spec.calibration,
    impossible: spec.impossible,
  }));
  for (const [name, { title, format }] of Object.entries(MAPPED)) {
    const impossible =
      'what its mapping file (--mapping) does not say; `prep inspect PATH --propose` writes one to start from';
    const calibration = 'as the mapping says';
    listed.push({ name, title, format, licence: 'yours', robots: [], cameras: [], calibration, impossible });
  }
  const text = words.markdown ? table(listed) : listed.map(paragraph).join('\n\n');
  openOutput(words.json ?? false).result(listed, text);
  return EXIT.done;
}

const count = (arms: number): string => `${arms} arm${arms > 1 ? 's' : ''}`;

function paragraph({ name, title, format, licence, robots, cameras, calibration, impossible }: Listed): string {
  return [
    `${name}  ${title}; ${format}, licence ${licence}`,
    ...robots.map((one) => `    robot ${one.name}: ${count(one.arms)}, ${one.hz} Hz, EE = ${one.eeOrigin}`),
    ...(cameras.length > 0 ? [`    cameras ${cameras.map((one) => `${one.name} (${one.mount})`).join(', ')}`] : []),
    `    calibration: ${calibration}`,
    ...(impossible ? [`    not possible from these files alone: ${impossible}`] : []),
  ].join('\n');
}

/** The table of the README. */
function table(listed: readonly Listed[]): string {
  const rows = listed.map(({ name, title, licence, robots, cameras, calibration, impossible }) => [
    `\`${name}\``,
    title,
    [...new Set(robots.map((one) => `${one.name}, ${count(one.arms)}, ${one.hz} Hz`))].join('; '),
    cameras.map((one) => one.name).join(', '),
    calibration,
    licence,
    impossible || 'nothing',
  ]);
  const head = ['dataset', 'title', 'robots', 'cameras', 'calibration', 'licence', 'impossible without extra data'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
