/** A mistake in a dataset file is reported at the line of the field that is wrong (compiled by tsc, never run). */
import type { DatasetSpec, FilesRecord, SourceData } from '../../index.ts';

const sound = {
  name: 'mine',
  version: 1,
  title: 'Mine',
  licence: 'mine',
  format: 'files',
  anchor: /\.hdf5$/,
  clock: 'index',
  robots: { arm: { arms: 1, hz: 30, eeOrigin: 'tool centre point', eeFromTool: null } },
  cameras: [{ name: 'front', mount: 'fixed', roles: ['third'], principalPoint: 'centre' }],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: '',
  impossible: '',
  identity: ({ path }: FilesRecord) => ({
    id: path,
    sourceId: path,
    robot: 'arm',
    success: null,
    instructions: [],
    segments: [],
  }),
  data: (): SourceData => ({ steps: 0, arms: [], cameras: [] }),
} satisfies DatasetSpec<FilesRecord>;

export const wrong = [
  {
    ...sound,
    // @ts-expect-error no such clock
    clock: 'steps',
  } satisfies DatasetSpec<FilesRecord>,
  {
    ...sound,
    // @ts-expect-error another format's word
    format: 'lerobot',
  } satisfies DatasetSpec<FilesRecord>,
  {
    ...sound,
    // @ts-expect-error a name with a slip
    imposible: '',
  } satisfies DatasetSpec<FilesRecord>,
  {
    ...sound,
    robots: {
      arm: {
        arms: 1,
        // @ts-expect-error the word is hz
        rate: 30,
        eeOrigin: '',
        eeFromTool: null,
      },
    },
  } satisfies DatasetSpec<FilesRecord>,
  {
    ...sound,
    cameras: [
      {
        name: 'front',
        // @ts-expect-error no such mount
        mount: 'wall',
        roles: ['third'],
        principalPoint: 'centre',
      },
    ],
  } satisfies DatasetSpec<FilesRecord>,
  {
    ...sound,
    data: (record) => ({
      steps: 1,
      arms: [
        {
          pose: {
            // @ts-expect-error no such way to write a pose
            kind: 'xyz+quaternion',
            values: record.hdf5().numbers('pose', 7),
            field: 'pose',
          },
          opennessMeasured: new Float64Array(1),
          opennessCommanded: new Float64Array(1),
        },
      ],
      cameras: [],
    }),
  } satisfies DatasetSpec<FilesRecord>,
];
