/** A mapping file → the same `DatasetSpec` that a dataset file of code is. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PrepError } from '../../schemas/errors.ts';
import type { SourceRecord } from '../../schemas/records.ts';
import type {
  EpisodeIdentity,
  PublishedIntrinsics,
  PublishedPose,
  SourceArm,
  SourceCamera,
  SourceData,
} from '../../schemas/source.ts';
import type { AnySpec, CameraSpec, EpisodePlace, Meaning } from '../../schemas/spec.ts';
import { type FieldReader, fieldReader, nameOf, pathOf } from './fields.ts';
import { filesLayout } from './layout.ts';
import { mappedPose } from './poses.ts';
import {
  type CalibrationFile,
  calibrationSchema,
  type Guess,
  type MappedArm,
  type MappedCamera,
  type MappedOpenness,
  type Mapping,
  mappingSchema,
  parsedAs,
} from './schema.ts';

/**
 * @param as name of the dataset, if not the mapping's own, and the format that it must have
 * @throws PrepError `bad-metadata` naming the file and the key, `source-missing`
 */
export async function openMapping(
  file: string,
  as?: { readonly name: string; readonly format: Mapping['format'] },
): Promise<AnySpec> {
  const mapping = parsedAs(mappingSchema, await read(file), { file: basename(file) });
  if (as && mapping.format !== as.format)
    throw new PrepError({
      code: 'bad-metadata',
      at: { file: basename(file), field: 'format' },
      expected: as.format,
      found: mapping.format,
    });
  const beside = mapping.calibration === undefined ? null : join(dirname(file), mapping.calibration);
  const calibration = beside ? parsedAs(calibrationSchema, await read(beside), { file: basename(beside) }) : null;
  const unknown = Object.keys(calibration?.cameras ?? {}).find((name) => mapping.cameras.every((c) => c.name !== name));
  if (unknown !== undefined)
    throw new PrepError({
      code: 'bad-metadata',
      at: { file: mapping.calibration!, camera: unknown },
      expected: `cameras of the mapping (${mapping.cameras.map(({ name }) => name).join(', ')})`,
      found: unknown,
    });
  return specOf(as ? { ...mapping, name: as.name } : mapping, calibration);
}

async function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause) => {
    throw new PrepError({
      code: 'source-missing',
      at: { file },
      expected: 'a readable file',
      found: String(cause),
      cause,
    });
  });
}

/** What is only guessed, in words for whoever ingests. */
const doubt = ({ key, value, why, check }: Guess): string =>
  `${key}${value === undefined ? '' : ` = ${JSON.stringify(value)}`} is a guess (${why}); ${check}`;

/**
 * Rows that another mapping made have another meaning: its version is a digest of all that gives the fields theirs, so
 * that a changed mapping is never taken for the one before.
 */
function versionOf(mapping: Mapping, calibration: CalibrationFile | null): number {
  const { $schema: _, guesses: _guesses, name: _name, title: _title, licence: _licence, ...meaning } = mapping;
  const digest = createHash('sha256')
    .update(JSON.stringify([meaning, calibration]))
    .digest();
  return 1 + (digest.readUInt32BE(0) >>> 1);
}

export function specOf(mapping: Mapping, calibration: CalibrationFile | null = null): AnySpec {
  const name = mapping.name ?? mapping.format;
  const commanded = mapping.arms.every(({ command }) => command !== undefined);
  const meaning: Meaning<SourceRecord> = {
    name,
    version: versionOf(mapping, calibration),
    title: mapping.title || name,
    licence: mapping.licence,
    clock: mapping.time ? 'timestamps' : 'index',
    robots: {
      [mapping.robot.name]: {
        arms: mapping.arms.length,
        // A rate that the source itself gives replaces this one, episode by episode.
        hz: typeof mapping.hz === 'number' ? mapping.hz : DEFAULT_HZ,
        eeOrigin: mapping.robot.eeOrigin,
        eeFromTool: mapping.robot.eeFromTool,
      },
    },
    cameras: mapping.cameras.map(cameraSpec),
    gripper: { action: commanded ? 'commanded' : 'measured', proprio: 'measured' },
    calibration: calibration || mapping.cameras.some(({ pose }) => pose) ? 'as the mapping says' : 'none',
    impossible: '',
    ...(mapping.guesses.length > 0 ? { doubts: mapping.guesses.map(doubt) } : {}),
    identity: (record, place) => identity(mapping, record, place),
    data: (record) => data(mapping, calibration, record),
  };
  if (mapping.format === 'hdf5') return { ...meaning, ...filesLayout(mapping) };
  if (mapping.format === 'rlds') return { ...meaning, format: 'rlds', containers: mapping.containers ?? [name] };
  const needed = mapping.arms.flatMap(({ pose, openness }) => [pose?.matrix, pose?.position, openness?.field]);
  const missing = (features: object): string[] =>
    needed.flatMap((ref) => (ref === undefined || Object.hasOwn(features, pathOf(ref)) ? [] : [pathOf(ref)]));
  return {
    ...meaning,
    format: 'lerobot',
    accepts: ({ features }) => (missing(features).length > 0 ? `no feature ${missing(features).join(', ')}` : null),
  };
}

const DEFAULT_HZ = 30;

const cameraSpec = ({ name, mount, role, principalPoint }: MappedCamera): CameraSpec => ({
  name,
  mount,
  ...(role === 'wrist2' ? { arm: 1 } : {}),
  roles: role === 'third' || role === 'third2' ? ['third', 'third2'] : [role],
  principalPoint,
});

function identity(mapping: Mapping, record: SourceRecord, place: EpisodePlace): EpisodeIdentity {
  const id =
    record.format === 'files'
      ? [record.path, record.inside].filter((part) => part !== '').join('/')
      : `${place.container}/${place.split}/${place.index ?? 0}`;
  const read = fieldReader(record, timedField(mapping));
  const texts = instructions(mapping, record, read);
  const hz = rate(mapping, record, read);
  return {
    id: id.replaceAll(':', '_'),
    sourceId: id,
    robot: mapping.robot.name,
    success: null,
    instructions: [...new Set(texts.filter((text) => text.trim() !== ''))],
    segments: [],
    ...(hz === undefined ? {} : { hz }),
  };
}

function instructions({ instruction }: Mapping, record: SourceRecord, read: FieldReader): string[] {
  if (instruction === undefined) return record.format === 'lerobot' ? record.tasks() : [];
  if ('text' in instruction) return [instruction.text];
  if ('field' in instruction) return [read.text(instruction.field)];
  const value = read.attribute(instruction.attribute);
  return value === undefined ? [] : [String(value)];
}

function rate({ hz }: Mapping, record: SourceRecord, read: FieldReader): number | undefined {
  if (typeof hz === 'number') return undefined;
  if (hz === undefined) {
    if (record.format === 'lerobot') return record.info.fps;
    throw new PrepError({
      code: 'bad-metadata',
      at: { field: 'hz' },
      expected: 'steps per second in the mapping',
      found: 'none',
    });
  }
  return Number(read.attribute(hz.attribute));
}

/** What has one row for each step, whatever the dataset: the pose of the first arm, else what is there. */
const timedField = ({ arms: [arm], cameras }: Mapping) =>
  arm?.pose?.position ?? arm?.pose?.matrix ?? arm?.openness?.field ?? cameras[0]!.frames;

function data(mapping: Mapping, calibration: CalibrationFile | null, record: SourceRecord): SourceData {
  const read = fieldReader(record, timedField(mapping));
  const time = mapping.time && read.perStep(mapping.time.field, 1).map((t) => t * mapping.time!.secondsPerUnit);
  return {
    steps: read.steps,
    ...(time ? { time } : {}),
    arms: mapping.arms.map((arm, slot) => armOf(arm, read, `arms.${slot}`)),
    cameras: mapping.cameras
      .filter(({ optional, frames }) => !optional || read.has(frames))
      .map((camera) => cameraOf(camera, calibration?.cameras[camera.name], read)),
  };
}

/** @throws PrepError `no-pose`, `no-openness`: nothing is put in their place */
function armOf({ pose, openness, command }: MappedArm, read: FieldReader, key: string): SourceArm {
  if (!pose)
    throw new PrepError({
      code: 'no-pose',
      at: { field: `${key}.pose` },
      expected: 'a field with the end-effector pose',
      found: 'none in the mapping (joint positions are no pose)',
    });
  if (!openness)
    throw new PrepError({
      code: 'no-openness',
      at: { field: `${key}.openness` },
      expected: 'a field with the opening of the gripper',
      found: 'none in the mapping',
    });
  return {
    pose: mappedPose(pose, { read: read.perStep, widthOf: (ref) => read.numbers(ref).width }),
    opennessMeasured: opennessOf(openness, read),
    opennessCommanded: opennessOf(command ?? openness, read),
    opennessFields: { measured: nameOf(openness.field), commanded: nameOf((command ?? openness).field) },
  };
}

const opennessOf = ({ field, open, closed }: MappedOpenness, read: FieldReader): Float64Array =>
  read.perStep(field, 1).map((x) => (x - closed) / (open - closed));

function cameraOf(
  camera: MappedCamera,
  measured: CalibrationFile['cameras'][string] | undefined,
  read: FieldReader,
): SourceCamera {
  const { name, frames, bgr, rowsReversed, columnsReversed } = camera;
  const pose = camera.pose ? publishedPose(camera.pose, read) : filePose(measured?.pose);
  const intrinsics = camera.intrinsics ? publishedIntrinsics(camera.intrinsics, read) : fileIntrinsics(measured);
  return {
    name,
    ...read.images(frames),
    appearance: { bgr, rowsReversed, columnsReversed },
    ...(pose ? { pose } : {}),
    ...(intrinsics ? { intrinsics } : {}),
  };
}

function publishedPose({ direction, axes, parent, ...pose }: NonNullable<MappedCamera['pose']>, read: FieldReader) {
  const published = mappedPose(pose, {
    // One pose for the episode may be stored as a matrix, whose rows are no steps.
    widthOf(ref) {
      const { values, width } = read.numbers(ref);
      return values.length === 12 ? 12 : width;
    },
    read(ref, width) {
      const { values, rows, width: found } = read.numbers(ref);
      if (values.length === width || found === width) return values;
      throw new PrepError({
        code: 'field-shape',
        at: { field: nameOf(ref) },
        expected: `${width} numbers`,
        found: `${rows} × ${found}`,
      });
    },
  });
  return { ...published, direction, axes, parent };
}

function filePose(pose: CalibrationFile['cameras'][string]['pose']): PublishedPose | undefined {
  if (!pose) return undefined;
  const { matrix, ...rest } = pose;
  const kind = matrix.length === 12 ? 'matrix34' : 'matrix';
  return { kind, values: Float64Array.from(matrix), field: 'matrix', source: 'file', ...rest };
}

/** fx fy cx cy, or the entries of a 3×3 matrix, once or per step. */
function publishedIntrinsics(ref: NonNullable<MappedCamera['intrinsics']>, read: FieldReader): PublishedIntrinsics {
  const { values, width } = read.numbers(ref);
  const field = nameOf(ref);
  if (values.length === 4 || width === 4) return { values, field };
  if (values.length % 9 === 0) {
    const entries = [0, 4, 2, 5];
    const count = values.length / 9;
    return {
      values: Float64Array.from({ length: 4 * count }, (_, i) => values[9 * Math.floor(i / 4) + entries[i % 4]!]!),
      field,
    };
  }
  throw new PrepError({
    code: 'field-shape',
    at: { field },
    expected: 'fx fy cx cy or a 3×3 matrix',
    found: `${values.length} numbers`,
  });
}

function fileIntrinsics(measured: CalibrationFile['cameras'][string] | undefined): PublishedIntrinsics | undefined {
  if (!measured?.intrinsics) return undefined;
  const { fx, fy, cx, cy, width, height } = measured.intrinsics;
  return { values: [fx, fy, cx, cy], width, height, field: 'intrinsics', source: 'file' };
}
