/** The quality gate against errors that numpy measured. */
import { describe, expect, it } from 'vitest';
import { largestOf } from '../../transforms/features/codec.ts';
import { addToGate, emptyGate, judge, mergeGate, type Verdict } from '../../transforms/features/gate.ts';
import { cases, codecFor, floats, hq8Of, type Int8Case, plainOf, there } from './golden.ts';

type Name = 'plain' | 'hq8' | 'f16' | 'bf16';
const specOf = (one: Int8Case, name: Name) =>
  name === 'plain' ? plainOf(one) : name === 'hq8' ? hq8Of(one) : ({ name } as const);
const tapsOf = ({ taps }: Int8Case): number[] => Array.from({ length: taps }, (_, i) => 3 * i);

function verdict(one: Int8Case, name: Name, x = floats(one.x)): Verdict {
  const spec = specOf(one, name);
  const gate = emptyGate(one);
  addToGate(gate, { values: x, decoded: there(codecFor(spec, one), x), outliers: one.outliers });
  return judge(gate, tapsOf(one), largestOf(spec));
}

describe.each(cases)('the gate on $hidden channels', (one) => {
  it.each(['plain', 'hq8', 'f16', 'bf16'] as const)('measures %s as numpy does', (name) => {
    const { taps } = verdict(one, name);
    for (const [i, wanted] of one[name].errors.entries()) {
      const found = taps[i]!;
      expect(found.tap).toBe(3 * i);
      expect(found.largest).toBe(wanted.largest);
      // A rounding that falls the other way moves an error by a thousandth of itself.
      for (const key of ['relRms', 'bulkRelRms'] as const)
        expect(Math.abs(found[key] / wanted[key] - 1), key).toBeLessThan(name === 'hq8' ? 2e-3 : 1e-9);
      for (const key of ['minCosine', 'minBulkCosine'] as const)
        expect(Math.abs(found[key] - wanted[key]), key).toBeLessThan(name === 'hq8' ? 2e-6 : 1e-12);
    }
  });

  it('refuses plain int8 at every tap with outliers and says why', () => {
    const { passed, reasons } = verdict(one, 'plain');
    expect(passed).toBe(false);
    for (let i = 1; i < one.taps; i++) {
      expect(reasons.some((text) => text.startsWith(`tap ${3 * i}: bulk error`))).toBe(true);
      expect(reasons.some((text) => text.startsWith(`tap ${3 * i}: bulk cosine`))).toBe(true);
    }
  });

  // Tap 0 holds the special tokens, among them some below what a float16 scale can say.
  it('takes hq8 at those taps', () => {
    const { reasons } = verdict(one, 'hq8');
    expect(reasons.filter((text) => !text.startsWith('tap 0:'))).toEqual([]);
  });

  it('takes bf16', () => expect(verdict(one, 'bf16')).toMatchObject({ passed: true, reasons: [] }));

  it('gives the same merged over batches', () => {
    const x = floats(one.x);
    const y = there(codecFor(hq8Of(one), one), x);
    const row = one.taps * one.tokens * one.hidden;
    const [whole, merged] = [emptyGate(one), emptyGate(one)];
    addToGate(whole, { values: x, decoded: y, outliers: one.outliers });
    for (let at = 0; at < x.length; at += row) {
      const part = emptyGate(one);
      const cut = (values: Float32Array): Float32Array => values.subarray(at, at + row);
      addToGate(part, { values: cut(x), decoded: cut(y), outliers: one.outliers });
      mergeGate(merged, part);
    }
    const [a, b] = [judge(whole, tapsOf(one), 65504).taps, judge(merged, tapsOf(one), 65504).taps];
    for (const [i, quality] of a.entries())
      for (const key of ['relRms', 'bulkRelRms', 'minCosine', 'minBulkCosine', 'largest'] as const)
        expect(b[i]![key]).toBeCloseTo(quality[key], 12);
  });
});

describe('the gate refuses', () => {
  const one = cases[0]!;
  const planted = (value: number): Float32Array => {
    const x = floats(one.x);
    x[x.length - 1] = value;
    return x;
  };
  const last = 3 * (one.taps - 1);

  it.each([65504, -65504, 1e9])('%d, which float16 cannot tell from its end', (value) => {
    for (const name of ['f16', 'hq8'] as const)
      expect(verdict(one, name, planted(value)).reasons.join()).toContain(`tap ${last}: largest value`);
    expect(verdict(one, 'bf16', planted(value)).reasons).toEqual([]);
  });
  it.each([Number.NaN, Number.POSITIVE_INFINITY])('%d', (value) => {
    for (const name of ['f16', 'bf16', 'hq8'] as const) {
      const { passed, reasons } = verdict(one, name, planted(value));
      expect(passed).toBe(false);
      expect(reasons.join()).toMatch(/largest value Infinity/);
    }
  });
  it('a token that lost its direction among many that kept it', () => {
    const x = floats(one.x);
    const decoded = x.slice();
    // The first token of the last tap, of two rows.
    const from = (one.taps - 1) * one.tokens * one.hidden;
    for (let d = 0; d < one.hidden; d++) decoded[from + d] = -x[from + d]!;
    const gate = emptyGate(one);
    addToGate(gate, { values: x, decoded, outliers: one.outliers });
    expect(judge(gate, tapsOf(one), 65504).taps.at(-1)!.minCosine).toBeCloseTo(-1, 12);
  });
  it('nothing where zeros come back as zeros', () => {
    const zeros = new Float32Array(one.taps * one.tokens * one.hidden);
    expect(verdict(one, 'hq8', zeros)).toMatchObject({ passed: true });
  });
});
