/**
 * Python pickles (protocols 2 … 5) of plain data and numpy arrays, read as a table of opcodes. Anything that could import,
 * call or subclass is an error with its offset; nothing of it is ever carried out.
 * Bounds: work and memory grow with the length of the pickle alone (every length is checked against the bytes that are
 * left before anything is made, decoded bytes are counted), and a value that holds itself is refused.
 */
import { type Place, PrepError } from '../../schemas/errors.ts';
import type { PyKey, PyValue } from '../../schemas/python-data.ts';
import { type Building, build, globalOf, type Item, isList, reduced } from './pickle-globals.ts';
import { finished } from './pickle-graph.ts';

export interface PickleOptions {
  readonly at?: Place;
  /** Let the outermost value be an array of objects (what `numpy.save` makes of a dict). Inside it they stay refused. */
  readonly objectArray?: boolean;
}

/** Marks that wait on the stack: one per container that is being filled. */
const MAX_MARKS = 256;
/** Bytes of one integer: Python's have no limit, real ones fit 9. */
const MAX_INTEGER = 64;
/** Decoding of shared bytes may repeat by this much beyond the pickle's length. */
const SLACK = 2 ** 16;

interface Machine {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Next byte. */
  next: number;
  /** Where the current opcode stands. */
  op: number;
  readonly stack: Item[];
  readonly marks: number[];
  readonly memo: Map<number, Item>;
  budget: number;
  readonly place: Place;
}

/** @throws PrepError `bad-pickle` with the offset of the opcode */
export function readPickle(bytes: Uint8Array, { at = {}, objectArray = false }: PickleOptions = {}): PyValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const state = { next: 0, op: 0, budget: bytes.length + SLACK };
  const machine: Machine = { bytes, view, stack: [], marks: [], memo: new Map(), place: at, ...state };
  if (take(machine, 1)[0] !== 0x80) throw bad(machine, 'a pickle of protocol 2 to 5', 'no PROTO in front');
  const protocol = take(machine, 1)[0]!;
  if (protocol < 2 || protocol > 5) throw bad(machine, 'protocol 2 to 5', `protocol ${protocol}`);
  for (;;) {
    machine.op = machine.next;
    const code = take(machine, 1)[0]!;
    if (code === STOP) break;
    const run = OPCODES[code];
    if (!run) throw bad(machine, 'an opcode of plain data', nameOf(code));
    run(machine);
  }
  const value = pop(machine);
  if (machine.stack.length > 0 || machine.marks.length > 0) throw bad(machine, 'one value at STOP', 'more of them');
  if (machine.next !== bytes.length) throw bad(machine, 'the end at STOP', `${bytes.length - machine.next} more bytes`);
  return finished(value, { at: here(machine), objectArray });
}

const STOP = 0x2e;
/** Opcodes that only programs of objects use, by name for the message. */
const REFUSED: Readonly<Record<string, string>> = {
  i: 'INST',
  o: 'OBJ',
  P: 'PERSID',
  Q: 'BINPERSID',
  '\x81': 'NEWOBJ',
  '\x92': 'NEWOBJ_EX',
  '\x82': 'EXT1',
  '\x83': 'EXT2',
  '\x84': 'EXT4',
  '\x97': 'NEXT_BUFFER',
  '\x98': 'READONLY_BUFFER',
};
function nameOf(code: number): string {
  const hex = `0x${code.toString(16).padStart(2, '0')}`;
  const name = REFUSED[String.fromCharCode(code)];
  return name ? `${name} (${hex}), which is not carried out` : `opcode ${hex}`;
}

type Run = (machine: Machine) => void;
const push = (m: Machine, item: Item): void => {
  m.stack.push(item);
};

const OPCODES: Readonly<Record<number, Run>> = {
  149: frame,
  // marks and memo
  40: mark,
  113: (m) => put(m, take(m, 1)[0]!),
  114: (m) => put(m, u32(m)),
  148: (m) => put(m, m.memo.size),
  104: (m) => get(m, take(m, 1)[0]!),
  106: (m) => get(m, u32(m)),
  // scalars
  78: (m) => push(m, null),
  136: (m) => push(m, true),
  137: (m) => push(m, false),
  74: (m) => push(m, u32(m) | 0),
  75: (m) => push(m, take(m, 1)[0]!),
  77: (m) =>
    push(
      m,
      take(m, 2).reduceRight((sum, byte) => 256 * sum + byte, 0),
    ),
  138: (m) => push(m, integer(m, take(m, 1)[0]!)),
  139: (m) => push(m, integer(m, u32(m))),
  71: (m) => push(m, real(m)),
  // texts and bytes
  140: (m) => push(m, text(m, take(m, 1)[0]!)),
  88: (m) => push(m, text(m, u32(m))),
  141: (m) => push(m, text(m, u64(m))),
  67: (m) => push(m, take(m, take(m, 1)[0]!)),
  66: (m) => push(m, take(m, u32(m))),
  142: (m) => push(m, take(m, u64(m))),
  150: (m) => push(m, take(m, u64(m))),
  // lists, tuples, dicts
  93: (m) => push(m, []),
  97: (m) => append(m, [pop(m)]),
  101: (m) => append(m, popMarked(m)),
  41: (m) => push(m, tuple([])),
  133: (m) => push(m, tuple(popMany(m, 1))),
  134: (m) => push(m, tuple(popMany(m, 2))),
  135: (m) => push(m, tuple(popMany(m, 3))),
  116: (m) => push(m, tuple(popMarked(m))),
  125: (m) => push(m, new Map()),
  115: (m) => setItems(m, popMany(m, 2)),
  117: (m) => setItems(m, popMarked(m)),
  // numpy
  99: (m) => push(m, globalOf(line(m), line(m), here(m))),
  147: stackGlobal,
  82: (m) => {
    const [callable, args] = popMany(m, 2);
    push(m, reduced(callable, args, building(m)));
  },
  98: (m) => {
    const state = pop(m);
    build(m.stack.at(-1), state, building(m));
  },
};

const here = (m: Machine): Place => ({ ...m.place, offset: m.op });
const bad = (m: Machine, expected: string, found: string): PrepError =>
  new PrepError({ code: 'bad-pickle', at: here(m), expected, found });

const building = (m: Machine): Building => ({
  at: here(m),
  spend(bytes) {
    m.budget -= bytes;
    if (m.budget < 0) throw bad(m, 'arrays with bytes of their own', 'the same bytes over and over');
  },
});

/** The next bytes, as a view. */
function take(m: Machine, length: number): Uint8Array {
  const left = m.bytes.length - m.next;
  if (length > left) throw bad(m, `${length} more bytes`, `${left}: the pickle is cut short`);
  m.next += length;
  return m.bytes.subarray(m.next - length, m.next);
}

function u32(m: Machine): number {
  take(m, 4);
  return m.view.getUint32(m.next - 4, true);
}

/** As a number: lengths beyond 2^53 are beyond any file. */
function u64(m: Machine): number {
  take(m, 8);
  return Number(m.view.getBigUint64(m.next - 8, true));
}

function real(m: Machine): number {
  take(m, 8);
  return m.view.getFloat64(m.next - 8, false);
}

/** Two's complement, lowest byte first. */
function integer(m: Machine, length: number): number | bigint {
  if (length > MAX_INTEGER) throw bad(m, `an integer of at most ${MAX_INTEGER} bytes`, `${length}`);
  const bytes = take(m, length);
  const value = BigInt.asIntN(
    8 * length,
    bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
  );
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function text(m: Machine, length: number): string {
  const bytes = take(m, length);
  try {
    return utf8.decode(bytes);
  } catch {
    throw bad(m, 'UTF-8', `${bytes.length} bytes that are none`);
  }
}

function line(m: Machine): string {
  const end = m.bytes.indexOf(0x0a, m.next);
  if (end < 0) throw bad(m, 'a line', 'the end of the pickle');
  const words = text(m, end - m.next);
  m.next = end + 1;
  return words;
}

/** Only a hint for readers that buffer, but one that lies betrays a damaged file. */
function frame(m: Machine): void {
  const length = u64(m);
  const left = m.bytes.length - m.next;
  if (length > left) throw bad(m, `a frame of ${length} bytes`, `${left}: the pickle is cut short`);
}

function mark(m: Machine): void {
  if (m.marks.length >= MAX_MARKS) throw bad(m, `at most ${MAX_MARKS} open containers`, 'more');
  m.marks.push(m.stack.length);
}

function pop(m: Machine): Item {
  return popMany(m, 1)[0]!;
}

/** The last values above the last mark. */
function popMany(m: Machine, count: number): Item[] {
  if (m.stack.length - (m.marks.at(-1) ?? 0) < count) throw bad(m, `${count} values on the stack`, 'fewer');
  return m.stack.splice(m.stack.length - count, count);
}

function popMarked(m: Machine): Item[] {
  const from = m.marks.pop();
  if (from === undefined) throw bad(m, 'a mark on the stack', 'none');
  return m.stack.splice(from);
}

/** Frozen, which is what tells a tuple from a list here. */
const tuple = (items: Item[]): Item => Object.freeze(items);

function put(m: Machine, index: number): void {
  if (m.stack.length === 0) throw bad(m, 'a value to remember', 'an empty stack');
  m.memo.set(index, m.stack.at(-1)!);
}

function get(m: Machine, index: number): void {
  if (!m.memo.has(index)) throw bad(m, `a value remembered as ${index}`, 'none');
  push(m, m.memo.get(index)!);
}

function append(m: Machine, items: readonly Item[]): void {
  const list = m.stack.at(-1);
  if (!isList(list)) throw bad(m, 'a list to append to', 'another value');
  for (const item of items) list.push(item);
}

function setItems(m: Machine, items: readonly Item[]): void {
  const dict = m.stack.at(-1);
  if (!(dict instanceof Map)) throw bad(m, 'a dict to fill', 'another value');
  if (items.length % 2 === 1) throw bad(m, 'keys with their values', `${items.length} of them`);
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i] as PyKey;
    if (typeof key === 'object' && key !== null) throw bad(m, 'a text or a number as key', 'another value');
    dict.set(key, items[i + 1]);
  }
}

function stackGlobal(m: Machine): void {
  const [module, name] = popMany(m, 2);
  if (typeof module !== 'string' || typeof name !== 'string') throw bad(m, 'two texts', 'other values');
  push(m, globalOf(module, name, here(m)));
}
