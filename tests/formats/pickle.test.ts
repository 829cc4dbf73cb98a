/** Pickles as Python's own pickle and numpy wrote them, hostile ones, and valid ones with random damage. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { isNdArray, numbersOf, type PyValue } from '../../schemas/python-data.ts';
import { readNpy } from '../../sources/formats/npy.ts';
import { readPickle } from '../../sources/formats/pickle.ts';

const read = <T>(name: string): T[] =>
  JSON.parse(readFileSync(new URL(`../../fixtures/pickle/${name}.json`, import.meta.url), 'utf8'));
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

interface Case {
  readonly name: string;
  readonly protocol: number;
  readonly pickle: string;
  readonly value: unknown;
}

/** In the words of make.py. */
function told(value: PyValue): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : { big: String(value) };
  if (typeof value === 'number' && !Number.isFinite(value))
    return { float: Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf' };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') };
  if (value instanceof Map) return { map: [...value].map(([key, one]) => [told(key), told(one as PyValue)]) };
  if (Array.isArray(value)) return value.map(told);
  if (isNdArray(value))
    return { nd: [value.dtype, [...value.shape], Array.from(value.values as ArrayLike<PyValue>, told)] };
  return value;
}

/** The fault, of whatever was thrown; fails for anything but a PrepError of pickles. */
function faultOf(run: () => unknown): PrepError | null {
  try {
    run();
    return null;
  } catch (error) {
    // Not `expect`, which would cost more than the reader in the loops below.
    if (error instanceof PrepError && error.code === 'bad-pickle') return error;
    throw error;
  }
}

describe.each(['1', '2'])('as numpy %s pickles it', (major) => {
  const cases = read<Case>(`numpy${major}`);
  it('covers every protocol', () => {
    expect(new Set(cases.map(({ protocol }) => protocol))).toEqual(new Set([2, 3, 4, 5]));
    expect(cases.length).toBeGreaterThan(150);
  });
  it.each(cases.map((one) => [one.name, one.protocol, one] as const))('%s, protocol %i', (_, __, { pickle, value }) => {
    expect(told(readPickle(bytesOf(pickle)))).toEqual(value);
  });
  it.each(read<{ name: string; npy: string; value: unknown }>(`npy${major}`))('$name as .npy', ({ npy, value }) => {
    expect(told(readNpy(bytesOf(npy)))).toEqual(value);
  });
  it('cut at every byte it is an error', () => {
    for (const { name, pickle } of cases.filter(({ name }) => !/long|bytes|big|texts/.test(name))) {
      const whole = bytesOf(pickle);
      for (let length = 0; length < whole.length; length++)
        if (faultOf(() => readPickle(whole.subarray(0, length)))?.at.offset === undefined)
          expect.fail(`${name} cut at ${length}`);
    }
  });
  it('a view into a larger buffer is read as itself', () => {
    const { pickle, value } = cases.find(({ name, protocol }) => name === 'tcp' && protocol === 5)!;
    const whole = new Uint8Array([9, ...bytesOf(pickle), 9]);
    expect(told(readPickle(whole.subarray(1, whole.length - 1)))).toEqual(value);
  });
});

describe('hostile pickles', () => {
  const hostile = read<{ says: string; pickle: string }>('hostile');
  it.each(hostile.map((one, i) => [i, one.says, one.pickle] as const))('%i: %s', (_, says, pickle) => {
    const fault = faultOf(() => readPickle(bytesOf(pickle)));
    expect(fault?.message).toMatch(new RegExp(says.replace(/[.]/g, '\\.')));
    expect(fault?.at.offset).toBeTypeOf('number');
  });
  it('every opcode that is not plain data is refused wherever it stands', () => {
    const plain = '()N]}acbehjqrstuBCGJKMRX\x80\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x93\x94\x95\x96.';
    for (let code = 0; code < 256; code++) {
      if (plain.includes(String.fromCharCode(code))) continue;
      const fault = faultOf(() => readPickle(Uint8Array.of(0x80, 4, 0x4b, 1, 0x4b, 2, code, 0x2e)));
      expect(fault?.message, `opcode ${code}`).toMatch(/offset 6.*opcode of plain data/);
    }
  });
  it('a dict under hostile names is still only a Map', () => {
    const value = readPickle(bytesOf(Buffer.from('\x80\x04}\x8c\x09__proto__K\x01s.', 'latin1').toString('base64')));
    expect(value).toEqual(new Map([['__proto__', 1]]));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe('.npy', () => {
  const [f8] = read<{ npy: string }>('npy2').map(({ npy }) => bytesOf(npy)) as [Uint8Array];
  const spoiled = (change: (bytes: Buffer) => Buffer | undefined): Uint8Array => {
    const copy = Buffer.from(f8);
    return new Uint8Array(change(copy) ?? copy);
  };
  it.each([
    ['another file', spoiled(() => Buffer.from('not an array at all')), /an \.npy file/],
    ['an LFS pointer', spoiled(() => Buffer.from('version https://git-lfs.github.com/spec/v1\n')), /Git LFS pointer/],
    ['an empty file', new Uint8Array(0), /an \.npy file/],
    ['version 9', spoiled((b) => void b.writeUInt8(9, 6)), /version 9/],
    ['a header that is too long', spoiled((b) => void b.writeUInt16LE(60_000, 8)), /header of 60000 bytes/],
    ['a header of code', spoiled((b) => void b.write("{'descr': __import__('os')", 10)), /the header of an array/],
    ['a cut body', f8.subarray(0, f8.length - 1), /96 bytes of f8 \(3, 4\), found 95/],
    ['a longer body', new Uint8Array([...f8, 0]), /found 97/],
    ['a void dtype', spoiled((b) => void b.write("'|V8'", 20)), /dtype/],
  ])('%s', (_, bytes, says) => {
    expect(faultOf(() => readNpy(bytes, { file: 'tcp.npy' }))?.message).toMatch(says);
  });
  it('the offset of a fault is that of the file', () => {
    const tcp = read<{ name: string; npy: string }>('npy2').find(({ name }) => name === 'tcp')!;
    const bytes = bytesOf(tcp.npy);
    bytes[bytes.length - 1] = 0x6f;
    expect(faultOf(() => readNpy(bytes, { file: 'tcp.npy' }))?.at).toEqual({
      file: 'tcp.npy',
      offset: bytes.length - 1,
    });
  });
});

describe('numbersOf', () => {
  it.each([
    [3, [3]],
    [
      [1, 2.5],
      [1, 2.5],
    ],
    [['a'], undefined],
    [null, undefined],
    [new Map(), undefined],
  ] as [PyValue, number[] | undefined][])('%j', (value, wanted) => {
    const found = numbersOf(value);
    expect(found && [...found]).toEqual(wanted);
  });
});

/** xorshift32: the same damage on every machine. */
function dice(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

describe('random damage', () => {
  const cases = [...read<Case>('numpy1'), ...read<Case>('numpy2')].map(({ pickle }) => bytesOf(pickle));
  const files = [...read<{ npy: string }>('npy1'), ...read<{ npy: string }>('npy2')].map(({ npy }) => bytesOf(npy));

  it.each([
    ['pickles', cases, (bytes: Uint8Array) => readPickle(bytes)],
    ['.npy files', files, (bytes: Uint8Array) => readNpy(bytes)],
  ] as const)('of %s gives a value or a PrepError, soon', (_, all, run) => {
    const roll = dice(20_230_714);
    let [refused, read] = [0, 0];
    const started = performance.now();
    for (let round = 0; round < 15_000; round++) {
      const bytes = all[roll(all.length)]!.slice();
      for (let flips = 1 + roll(4); flips > 0; flips--)
        bytes[roll(bytes.length)] = roll(3) === 0 ? bytes[roll(bytes.length)]! : roll(256);
      if (faultOf(() => run(bytes)) === null) read++;
      else refused++;
    }
    expect(Math.min(refused, read)).toBeGreaterThan(500);
    expect(performance.now() - started).toBeLessThan(60_000);
  });

  it('opcodes at random', () => {
    const roll = dice(7);
    const likely = Buffer.from('()N]}abehqstK\x85\x86\x87\x88\x94', 'latin1');
    for (let round = 0; round < 15_000; round++) {
      const body = Array.from({ length: roll(40) }, () => (roll(8) === 0 ? roll(256) : likely[roll(likely.length)]!));
      faultOf(() => readPickle(Uint8Array.from([0x80, 4, ...body, 0x2e])));
    }
  });
});
