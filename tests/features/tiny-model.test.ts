/** The codecs on hidden states of a tiny Qwen3-VL, against what numpy made of them. */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { addSquares, emptySquares, outliersOf } from '../../transforms/features/calibrate.ts';
import { addToGate, emptyGate, judge, LIMITS, type Verdict } from '../../transforms/features/gate.ts';
import { describeShared, sharedPath } from '../formats/shared-data.ts';
import { codecFor, differences, hq8Of, type Int8Spec, largestOfAll, plainOf, there } from './golden.ts';
import { type Npz, openNpz } from './npz.ts';

const [ROWS, VIEWS, TOKENS, HIDDEN] = [3, 2, 64, 64];
const TAPS = [0, 3, 6, 8, 11, 14, 17, 20, 22, 25];
const SHAPE = { taps: 1, tokens: TOKENS, hidden: HIDDEN };
const PAIR = VIEWS * TOKENS * HIDDEN;

interface Reference {
  readonly signs: readonly (1 | -1)[];
  readonly block: number;
  readonly outlierChannelsPerTap: Readonly<Record<string, readonly number[]>>;
  readonly error: Readonly<Record<string, Readonly<Record<'plain' | 'hq8' | 'f16', Readonly<Record<string, number>>>>>>;
}

describeShared('qwen3vl_tiny', () => {
  const folder = (name: string): string => sharedPath(`qwen3vl_tiny/${name}`);
  let codec: Reference;
  let states: Npz;
  let stored: Npz;
  beforeAll(() => {
    codec = JSON.parse(readFileSync(folder('model.json'), 'utf8')).codec;
    states = openNpz(folder('hidden_states.npz'));
    stored = openNpz(folder('codec_int8_pair0.npz'));
  });
  /** Three pairs of two views as six rows of one tap. */
  const valuesOf = (tap: number): Float32Array => Float32Array.from(states(`hidden_${tap}`));
  const channelsOf = (tap: number): readonly number[] => codec.outlierChannelsPerTap[tap]!;
  const hq8 = (tap: number): Int8Spec => hq8Of({ ...codec, outliers: [channelsOf(tap)] });

  function verdict(tap: number, spec: Int8Spec | { name: 'f16' }): Verdict {
    const values = valuesOf(tap);
    const gate = emptyGate(SHAPE);
    addToGate(gate, { values, decoded: there(codecFor(spec, SHAPE), values), outliers: [channelsOf(tap)] });
    return judge(gate, [tap], 65504);
  }

  it('has the shape this test relies on', () => expect(states('hidden_0').length).toBe(ROWS * VIEWS * TOKENS * HIDDEN));

  it.each(TAPS)('tap %d: plain is the same to the bit', (tap) => {
    const found = codecFor(plainOf(SHAPE), SHAPE).encode(valuesOf(tap).subarray(0, PAIR));
    expect(Array.from(found.values)).toEqual(Array.from(stored(`plain_${tap}_q`)));
    expect(Array.from(found.scale!)).toEqual(Array.from(stored(`plain_${tap}_scale`)));
  });

  it.each(TAPS)('tap %d: the same outlier channels, hq8 the same but for rare roundings', (tap) => {
    const squares = emptySquares(SHAPE);
    addSquares(squares, valuesOf(tap));
    expect(outliersOf(squares, 4)).toEqual([channelsOf(tap)]);
    const found = codecFor(hq8(tap), SHAPE).encode(valuesOf(tap).subarray(0, PAIR));
    expect(Array.from(found.side!)).toEqual(Array.from(stored(`hq8_${tap}_side`)));
    expect(Array.from(found.scale!)).toEqual(Array.from(stored(`hq8_${tap}_scale`)));
    const { count, most } = differences(found.values, stored(`hq8_${tap}_q`));
    expect(most).toBeLessThanOrEqual(1);
    expect(count).toBeLessThanOrEqual(PAIR / 1000);
  });

  it.each(TAPS)('tap %d: decodes the stored rows to the same values', (tap) => {
    const found = codecFor(hq8(tap), SHAPE).decode({
      values: Int8Array.from(stored(`hq8_${tap}_q`)),
      scale: Uint16Array.from(stored(`hq8_${tap}_scale`)),
      side: Uint16Array.from(stored(`hq8_${tap}_side`)),
    });
    const wanted = Float32Array.from(stored(`hq8_${tap}_decoded_token0`));
    for (let view = 0; view < VIEWS; view++) {
      const mine = found.subarray(view * TOKENS * HIDDEN, view * TOKENS * HIDDEN + HIDDEN);
      const theirs = wanted.subarray(view * HIDDEN, (view + 1) * HIDDEN);
      expect(differences(mine, theirs).most).toBeLessThanOrEqual(2e-7 * largestOfAll(theirs));
    }
  });

  it.each(TAPS)(
    'tap %d: measures the same errors, refuses plain where there are outliers, takes hq8 and f16',
    (tap) => {
      const specs = { plain: plainOf(SHAPE), hq8: hq8(tap), f16: { name: 'f16' } as const };
      for (const name of ['plain', 'hq8', 'f16'] as const) {
        const found = verdict(tap, specs[name]);
        const wanted = codec.error[tap]![name];
        // The table has no bulk error of f16.
        for (const key of ['relRms', 'bulkRelRms'] as const)
          if (wanted[key] !== undefined) expect(found.taps[0]![key] / wanted[key]).toBeCloseTo(1, 3);
        for (const key of ['minCosine', 'minBulkCosine'] as const)
          if (wanted[key] !== undefined) expect(found.taps[0]![key]).toBeCloseTo(wanted[key], 6);
        const right = name !== 'plain' || wanted.bulkRelRms! <= LIMITS.bulkRelRms;
        expect(found.passed, name).toBe(right);
        expect(found.reasons.length > 0).toBe(!right);
      }
    },
  );

  it('plain is refused at nine taps of ten', () =>
    expect(TAPS.filter((tap) => !verdict(tap, plainOf(SHAPE)).passed)).toEqual(TAPS.slice(1)));
});
