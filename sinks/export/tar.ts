/** Members of a tar (POSIX ustar) whose bytes depend on names and contents only: no time, no owner. */
import { PrepError } from '../../schemas/errors.ts';

const BLOCK = 512;
/** ustar has more room with a prefix, which no name of ours needs. */
const LONGEST_NAME = 100;

/** Header, contents and filling of one member. */
export function tarMember(name: string, content: Uint8Array): Uint8Array[] {
  if (Buffer.byteLength(name) > LONGEST_NAME)
    throw new PrepError({ code: 'bad-value', expected: `a name of at most ${LONGEST_NAME} bytes`, found: name });
  const filling = (BLOCK - (content.length % BLOCK)) % BLOCK;
  return [header(name, content.length), content, new Uint8Array(filling)];
}

/** Two empty blocks end a tar. */
export const tarEnd = (): Uint8Array => new Uint8Array(2 * BLOCK);

function header(name: string, size: number): Uint8Array {
  const out = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void =>
    void out.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  out.write(name, 0, 'utf8');
  octal(0o644, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(0, 136, 11);
  out.write('0', 156, 'latin1');
  out.write('ustar\x0000', 257, 'latin1');
  octal(0, 329, 7);
  octal(0, 337, 7);
  // The checksum counts its own field as spaces.
  out.fill(' ', 148, 156);
  const sum = out.reduce((total, byte) => total + byte, 0);
  out.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return out;
}
