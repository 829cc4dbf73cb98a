/** Where the features of a frame lie: a hash table over 64-bit keys in typed arrays, for tens of millions of frames (27 to 53 bytes each, three times that for a moment when it grows). */

export interface FramePlace {
  readonly table: number;
  readonly row: number;
}

export interface FrameIndex {
  readonly size: number;
  /** The first place of a key stays. @returns whether it was new */
  put(key: bigint, table: number, row: number): boolean;
  get(key: bigint): FramePlace | null;
  has(key: bigint): boolean;
}

/** Slots per key at least: longer probes cost more than memory. */
const LOAD = 0.6;
const EMPTY = -1;

export function frameIndex(expected = 1024): FrameIndex {
  let slots = 2 ** Math.ceil(Math.log2(Math.max(16, expected / LOAD)));
  let keys = new BigInt64Array(slots);
  let words = new Uint32Array(keys.buffer);
  let tables = new Int32Array(slots).fill(EMPTY);
  let rows = new Int32Array(slots);
  let size = 0;
  const probe = new BigInt64Array(1);
  const half = new Uint32Array(probe.buffer);
  /** Slot of the key, or the free one where it belongs. */
  const find = (key: bigint): number => {
    probe[0] = key;
    const [low, high] = [half[0]!, half[1]!];
    // Keys are hashes already: their low bits are as good as any.
    for (let slot = low & (slots - 1); ; slot = (slot + 1) & (slots - 1))
      if (tables[slot] === EMPTY || (words[2 * slot] === low && words[2 * slot + 1] === high)) return slot;
  };
  const grow = (): void => {
    const [oldKeys, oldTables, oldRows] = [keys, tables, rows];
    slots *= 2;
    keys = new BigInt64Array(slots);
    words = new Uint32Array(keys.buffer);
    tables = new Int32Array(slots).fill(EMPTY);
    rows = new Int32Array(slots);
    for (let i = 0; i < oldKeys.length; i++) {
      if (oldTables[i] === EMPTY) continue;
      const slot = find(oldKeys[i]!);
      keys[slot] = oldKeys[i]!;
      tables[slot] = oldTables[i]!;
      rows[slot] = oldRows[i]!;
    }
  };
  return {
    get size() {
      return size;
    },
    put(key, table, row) {
      if (size + 1 > LOAD * slots) grow();
      const slot = find(key);
      if (tables[slot] !== EMPTY) return false;
      keys[slot] = key;
      tables[slot] = table;
      rows[slot] = row;
      size++;
      return true;
    },
    get(key) {
      const slot = find(key);
      return tables[slot] === EMPTY ? null : { table: tables[slot]!, row: rows[slot]! };
    },
    has: (key) => tables[find(key)] !== EMPTY,
  };
}
