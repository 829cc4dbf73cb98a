import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openRoot } from '../../sources/bytes.ts';
import { describeRlds } from '../../sources/formats/rlds-describe.ts';
import { describeShared, episodesOf, framesIn, sharedPath } from './shared-data.ts';

interface DroidEpisode {
  file_path: string;
  steps: number;
}

describeShared('droid_sim', () => {
  it('holds the episodes of its own list, each as long as it says', async () => {
    const listed: { episodes: DroidEpisode[] } = JSON.parse(
      readFileSync(sharedPath('droid_sim/expected/expected.json'), 'utf8'),
    );
    const expected = new Map(Object.values(listed.episodes).map((one) => [one.file_path, one.steps]));
    const found = new Map<string, number>();
    for await (const { record } of episodesOf(sharedPath('droid_sim/rlds'))) {
      found.set(record.text('episode_metadata/file_path'), record.steps);
      expect(record.numbers('steps/observation/cartesian_position', 6).length).toBe(6 * record.steps);
      expect(record.images('steps/observation/wrist_image_left')).toMatchObject({ width: 320, height: 180 });
      expect(record.texts('steps/language_instruction_3')).toHaveLength(record.steps);
    }
    expect(found).toEqual(expected);
  });
});

describeShared('bridge_dataset', () => {
  it('reads the real set: 25 episodes of 10 steps per split, the same in both', async () => {
    const ids: Record<string, string[]> = { train: [], val: [] };
    for await (const { record, split } of episodesOf(sharedPath('bridge_dataset'))) {
      expect(record.steps).toBe(10);
      expect(
        framesIn(record.images('steps/observation/image_0')).every((frame) => frame[0] === 0xff && frame[1] === 0xd8),
      ).toBe(true);
      ids[split]!.push(
        `${record.text('episode_metadata/file_path')}#${record.numbers('episode_metadata/episode_id', 1)[0]}`,
      );
    }
    expect(ids.train).toHaveLength(25);
    expect(ids.val!.toSorted()).toEqual(ids.train!.toSorted());
  });
});

describeShared('droid_real_rlds', () => {
  it('finds shards whose prefix differs from the folder', async () => {
    const files: string[] = [];
    for await (const { record, file } of episodesOf(sharedPath('droid_real_rlds'))) {
      expect(record.numbers('steps/action_dict/gripper_position', 1).every((value) => value >= 0 && value <= 1)).toBe(
        true,
      );
      files.push(file);
    }
    expect(files).toEqual([0, 0, 0, 1, 1, 1].map((shard) => `r2d2_faceblur-train.tfrecord-0000${shard}-of-00002`));
  });
});

describeShared('hdf5_made', () => {
  it('describes ManiSkill: sizes, codecs, ranges', async () => {
    const path = sharedPath('hdf5_made/rlds/maniskill_dataset_converted_externally_to_rlds');
    const found = await describeRlds(await openRoot(path));
    const field = (name: string) => found.fields.find((one) => one.path === `steps/observation/${name}`);
    expect(found.splits).toMatchObject([{ name: 'train', shards: 2, missing: 0, episodes: 3 }]);
    expect(field('image')?.image).toMatchObject({ codec: 'png', width: 256, height: 256 });
    expect(field('main_camera_intrinsic_cv')).toMatchObject({ shape: [3, 3], range: { min: 0 } });
    expect([found.steps.length, found.faults]).toEqual([2, []]);
  });
});
