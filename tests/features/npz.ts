/** Arrays of a `.npz` file: a ZIP of `.npy` files, stored or deflated, read by its central directory. */
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import type { NdArray } from '../../schemas/python-data.ts';
import { readNpy } from '../../sources/formats/npy.ts';

const END = 0x0605_4b50;

/** Reads one array by name, its numbers in row order. */
export type Npz = (name: string) => Float64Array;

export function openNpz(path: string): Npz {
  const file = readFileSync(path);
  const members = membersOf(file);
  return (name) => {
    const start = members.get(`${name}.npy`);
    if (start === undefined) throw new Error(`${path} has no ${name}`);
    return (readNpy(bytesOf(file, start)) as NdArray).values as Float64Array;
  };
}

/** Offset of each member's entry in the central directory, which also has the sizes. */
function membersOf(file: Buffer): Map<string, number> {
  let end = file.length - 22;
  while (file.readUInt32LE(end) !== END) end--;
  const out = new Map<string, number>();
  let at = file.readUInt32LE(end + 16);
  for (let i = file.readUInt16LE(end + 10); i > 0; i--) {
    const [name, extra, comment] = [28, 30, 32].map((o) => file.readUInt16LE(at + o)) as [number, number, number];
    out.set(file.toString('latin1', at + 46, at + 46 + name), at);
    at += 46 + name + extra + comment;
  }
  return out;
}

function bytesOf(file: Buffer, entry: number): Uint8Array {
  const local = file.readUInt32LE(entry + 42);
  const from = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
  const body = file.subarray(from, from + file.readUInt32LE(entry + 20));
  return file.readUInt16LE(entry + 10) === 0 ? body : inflateRawSync(body);
}
