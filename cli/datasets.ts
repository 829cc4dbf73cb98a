/** `prep datasets`: what can be ingested, from the dataset files themselves. */
import { EXIT } from '../schemas/errors.ts';
import { datasetNames, openDataset } from '../sources/index.ts';
import { openOutput } from './print.ts';

export async function datasets(words: { json?: boolean }): Promise<number> {
  const specs = (await Promise.all(datasetNames().map(openDataset))).flat();
  const listed = specs.map((spec) => ({
    name: spec.name,
    title: spec.title,
    format: spec.format,
    licence: spec.licence,
    robots: Object.entries(spec.robots).map(([name, { arms, hz, eeOrigin }]) => ({ name, arms, hz, eeOrigin })),
    cameras: spec.cameras.map(({ name, mount, roles }) => ({ name, mount, roles })),
    calibration: spec.calibration,
    impossible: spec.impossible,
  }));
  const text = listed.map((one) =>
    [
      `${one.name}  ${one.title}; ${one.format}, licence ${one.licence}`,
      ...one.robots.map(
        ({ name, arms, hz, eeOrigin }) =>
          `    robot ${name}: ${arms} arm${arms > 1 ? 's' : ''}, ${hz} Hz, EE = ${eeOrigin}`,
      ),
      `    cameras ${one.cameras.map(({ name, mount }) => `${name} (${mount})`).join(', ')}`,
      `    calibration: ${one.calibration}`,
      ...(one.impossible ? [`    not possible from these files alone: ${one.impossible}`] : []),
    ].join('\n'),
  );
  openOutput(words.json ?? false).result(listed, text.join('\n\n'));
  return EXIT.done;
}
