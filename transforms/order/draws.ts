/** Draw number → entry, domain, ordinal, in O(log pieces) and without the draws before it. */
import { type Draw, type Piece, type Run, type Segment, SLOT } from '../../schemas/plan.ts';
import { type Bijection, bijection } from './bijection.ts';
import { absorb, high, keyOf, low, PURPOSE } from './hash.ts';
import { slotOrder, type Turns, turnsOf } from './turns.ts';

export interface SegmentOrder {
  readonly segment: Segment;
  /** @param draw counted from the plan's start, within the segment */
  draw(draw: number): Draw;
}

/** Permutations kept at hand: passes of small domains come and go. */
const MOST_BIJECTIONS = 4096;

export function segmentOrder(segment: Segment): SegmentOrder {
  const slots = slotReader(segment);
  const bijections = new Map<string, Bijection>();
  const ordered: Ordered = (purpose, size, ...words) => {
    const name = `${purpose} ${size} ${words.join(' ')}`;
    let found = bijections.get(name);
    if (!found) {
      if (bijections.size >= MOST_BIJECTIONS) bijections.clear();
      found = bijection(size, keyOf(segment.seed, purpose, ...words));
      bijections.set(name, found);
    }
    return found;
  };
  // The last one of each entry: its draws mostly stay in one domain and pass, and looking it up costs as much as using it.
  const recent = segment.entries.map(() => ({ domain: -1, pass: -1, order: null as Bijection | null }));
  return {
    segment,
    draw(draw) {
      const { entries, indices } = slots(Math.floor(draw / SLOT));
      const entry = entries[draw % SLOT]!;
      const { domain, pass, position } = placeOf(segment, entry, indices[draw % SLOT]!, ordered);
      const last = recent[entry]!;
      if (last.domain !== domain || last.pass !== pass) {
        last.order = ordered(PURPOSE.step, segment.domains[domain]!, domain, low(pass), high(pass));
        last.domain = domain;
        last.pass = pass;
      }
      return { entry, domain, ordinal: last.order!.at(position) };
    },
  };
}

/** The draws of one slot: whose each is, and the how-manieth of that entry within the segment. */
function slotReader({ entries: given, seed, start, turn: first }: Segment) {
  const turns = turnsOf(given.map(({ weight }) => weight));
  const before = given.map((_, k) => turns.before(k, first));
  const order = new Uint8Array(SLOT);
  const entries = new Int32Array(SLOT);
  const indices = new Float64Array(SLOT);
  const taken = new Map<number, number>();
  let last = -1;
  return (slot: number) => {
    if (slot === last) return { entries, indices };
    last = slot;
    slotOrder(seed, slot, order);
    taken.clear();
    const turn = first + slot * SLOT - start;
    for (let i = 0; i < SLOT; i++) {
      const entry = turns.entry(turn + order[i]!);
      // Only whose turn it is is shuffled: an entry's own draws keep their order, so that a pass ends before the next begins.
      const earlier = taken.get(entry) ?? 0;
      taken.set(entry, earlier + 1);
      entries[i] = entry;
      indices[i] = turns.before(entry, turn) - before[entry]! + earlier;
    }
    return { entries, indices };
  };
}

type Ordered = (purpose: number, size: number, ...words: number[]) => Bijection;

/** Where the `index`-th draw of an entry within the segment falls: domain, pass and position in that pass's order. */
function placeOf({ segment, entries }: Segment, entry: number, index: number, ordered: Ordered) {
  const { runs } = entries[entry]!;
  let [at, rest] = [0, index];
  while (rest >= runs[at]!.draws * runs[at]!.repeat) {
    rest -= runs[at]!.draws * runs[at]!.repeat;
    at++;
  }
  const run = runs[at]!;
  const repetition = Math.floor(rest / run.draws);
  let within = rest % run.draws;
  // Draws of several domains are mixed evenly; a single domain's order is shuffled as it is.
  if (run.pieces.length > 1)
    within = ordered(PURPOSE.run, run.draws, segment, entry, at, low(repetition), high(repetition)).at(within);
  const piece = pieceAt(run, within);
  const position = passOver(piece.piece, piece.piece.from + piece.offset);
  return { domain: piece.piece.domain, pass: piece.piece.pass + repetition, position };
}

function pieceAt({ pieces }: Run, within: number): { piece: Piece; offset: number } {
  let offset = within;
  for (const piece of pieces) {
    if (offset < piece.count) return { piece, offset };
    offset -= piece.count;
  }
  throw new RangeError('a draw beyond its run');
}

/** The n-th position that is not passed over. */
function passOver({ skip, from }: Piece, position: number): number {
  if (!skip || skip.length === 0) return position;
  // skip[i] − i positions lie before the i-th gap: find how many gaps lie at or before this position.
  const wanted = position - from;
  let [low_, high_] = [0, skip.length];
  while (low_ < high_) {
    const middle = (low_ + high_) >> 1;
    if (skip[middle]! - from - middle <= wanted) low_ = middle + 1;
    else high_ = middle;
  }
  return position + low_;
}

/** The row's `seed`, unsigned 64 bits as two words [low, high]. */
export function drawSeed(seed: number, draw: number): [number, number] {
  const key = keyOf(seed, PURPOSE.seed, low(draw), high(draw));
  return [absorb(key, 0), absorb(key, 1)];
}

/** The order of a whole plan. @param segments in order, without gaps */
export function planOrder(segments: readonly Segment[]): { draw(draw: number): Draw & { readonly segment: Segment } } {
  const orders = segments.map(segmentOrder);
  return {
    draw(draw) {
      const order = orders.findLast(({ segment }) => segment.start <= draw);
      if (!order || draw >= order.segment.start + order.segment.draws) throw new RangeError(`no draw ${draw}`);
      return { ...order.draw(draw), segment: order.segment };
    },
  };
}

export type { Turns };
