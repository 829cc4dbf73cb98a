/** The values that scipy and numpy computed (fixtures/geometry/make.py), typed. */
import { readFileSync } from 'node:fs';
import type { EulerKind, QuaternionOrder, Rot6dLayout } from '../../schemas/geometry.ts';

export interface MotionCase {
  readonly baseFromCam: number[];
  readonly newBaseFromCam: number[];
  readonly now: number[];
  readonly then: number[];
  readonly eeFromTool: number[];
  readonly camFromEe: number[];
  readonly baseFromTool: number[];
  readonly motion: { readonly t: number[]; readonly r: number[] };
  readonly retargeted: { readonly t: number[]; readonly r: number[] };
  readonly ofTool: { readonly t: number[]; readonly r: number[] };
}

export interface Golden {
  readonly euler: readonly { readonly kind: EulerKind; readonly angles: number[]; readonly matrix: number[] }[];
  readonly quaternions: readonly { readonly order: QuaternionOrder; readonly q: number[]; readonly matrix: number[] }[];
  readonly slerp: readonly {
    readonly angle: number;
    readonly s: number;
    readonly a: number[];
    readonly b: number[];
    readonly matrix: number[];
  }[];
  readonly six: readonly {
    readonly layout: Rot6dLayout;
    readonly six: number[];
    readonly exact: number[];
    readonly of: number[];
    readonly matrix: number[];
  }[];
  readonly compose: Readonly<Record<'a' | 'b' | 'product' | 'inverse', number[]>>;
  readonly motions: readonly MotionCase[];
  readonly projection: { readonly k: number[]; readonly points: number[][]; readonly pixels: number[][] };
  readonly intrinsics: readonly {
    readonly from: [number, number];
    readonly to: [number, number];
    readonly k: number[];
    readonly scaled: number[];
  }[];
  readonly keys: readonly {
    readonly dataset: string;
    readonly episode: string;
    readonly sourceDigest: string;
    readonly key: string;
    readonly topBit: number;
  }[];
  readonly rounded: readonly { readonly exact: number[]; readonly published: number[] }[];
}

const fixture = (name: string): URL => new URL(`../../fixtures/geometry/${name}`, import.meta.url);
export const readFixture = <T>(name: string): T => JSON.parse(readFileSync(fixture(name), 'utf8')) as T;
export const golden = readFixture<Golden>('golden.json');

/** Largest difference of two number sequences; infinite when their lengths differ or one is NaN where the other is not. */
export function worst(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < found.length; i++) {
    if (Number.isNaN(found[i]) && Number.isNaN(expected[i])) continue;
    const difference = Math.abs(found[i]! - expected[i]!);
    // NaN compares false: it must not pass for a small difference.
    if (!(difference <= most)) most = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return most;
}
