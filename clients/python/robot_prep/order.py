"""Which step is drawn when: the same numbers as `transforms/order` of prep, vectorised over draws.

A plan's segment is a plain dict (schemas/plan.ts): ``start draws seed turn entries domains``; each entry has ``weight`` and
``runs`` of ``pieces``. Words are unsigned 32-bit; a number up to 2**53 is two of them.
"""
from __future__ import annotations

import functools
import math

import numpy as np

PLAN_VERSION = 1
SLOT = 16
ROUNDS = 6
SLOTS, RUN, STEP, SEED, EPISODE = 1, 2, 3, 4, 5

_U32 = np.uint32


def mix(x: np.ndarray) -> np.ndarray:
    """lowbias32: uint32 array -> uint32 array."""
    h = np.asarray(x, dtype=_U32).copy()
    with np.errstate(over="ignore"):
        h ^= h >> _U32(16)
        h *= _U32(0x7FEB352D)
        h ^= h >> _U32(15)
        h *= _U32(0x846CA68B)
        h ^= h >> _U32(16)
    return h


def absorb(key, word) -> np.ndarray:
    """One more word into a key; both broadcast."""
    with np.errstate(over="ignore"):
        return mix((np.asarray(key, _U32) ^ np.asarray(word, _U32)) + _U32(0x9E3779B9))


def words(x) -> tuple[np.ndarray, np.ndarray]:
    """Low and high word of whole numbers below 2**53."""
    x = np.asarray(x, np.uint64)
    return (x & np.uint64(0xFFFFFFFF)).astype(_U32), (x >> np.uint64(32)).astype(_U32)


def key_of(seed: int, *rest) -> np.ndarray:
    low, high = words(seed)
    key = absorb(absorb(_U32(0x70726570), low), high)
    for word in rest:
        key = absorb(key, word)
    return key


class Bijection:
    """A keyed permutation of 0 ... size - 1 (Black and Rogaway's generalised Feistel with cycle walking)."""

    def __init__(self, size: int, key):
        self.size = size
        a = max(1, math.isqrt(size) - 1)
        while a * a < size:
            a += 1
        self.a, self.b = np.uint64(a), np.uint64(-(-size // a))
        self.keys = [absorb(key, _U32(r)) for r in range(ROUNDS)]

    @staticmethod
    def _shift(half: np.ndarray, key: np.ndarray, size: np.uint64) -> np.ndarray:
        """A number below ``size`` from the other half: a hash scaled down."""
        return mix(half.astype(_U32) ^ key).astype(np.uint64) * size >> np.uint64(32)

    def _step(self, x: np.ndarray) -> np.ndarray:
        left, right = x % self.a, x // self.a
        for r in range(0, ROUNDS, 2):
            left = (left + self._shift(right, self.keys[r], self.a)) % self.a
            right = (right + self._shift(left, self.keys[r + 1], self.b)) % self.b
        return right * self.a + left

    def at(self, x: np.ndarray) -> np.ndarray:
        y = self._step(np.asarray(x, np.uint64))
        while (far := y >= self.size).any():
            y[far] = self._step(y[far])
        return y.astype(np.int64)


class Turns:
    """Earliest deadline first: every entry within one turn of its share at any time (Tijdeman 1980)."""

    def __init__(self, weights):
        divisor = functools.reduce(math.gcd, weights)
        self.weights = [w // divisor for w in weights]
        self.period = sum(self.weights)
        self.order = np.empty(self.period, np.int64)
        had = [0] * len(self.weights)
        for t in range(self.period):
            best = -1
            for k, w in enumerate(self.weights):
                if self.period * had[k] >= (t + 1) * w:
                    continue
                if best < 0 or (had[k] + 1) * self.weights[best] < (had[best] + 1) * w:
                    best = k
            self.order[t] = best
            had[best] += 1
        self.starts = [np.flatnonzero(self.order == k) for k in range(len(self.weights))]

    def entry(self, turn: np.ndarray) -> np.ndarray:
        return self.order[turn % self.period]

    def before(self, k: int, turn: np.ndarray) -> np.ndarray:
        """Turns of entry ``k`` before ``turn``."""
        turn = np.asarray(turn, np.int64)
        return turn // self.period * self.weights[k] + np.searchsorted(self.starts[k], turn % self.period, "left")


class SegmentOrder:
    """Draws of one segment."""

    def __init__(self, segment: dict):
        self.segment = segment
        self.turns = Turns([e["weight"] for e in segment["entries"]])
        self.first = [int(self.turns.before(k, segment["turn"])) for k in range(len(segment["entries"]))]
        self.domains = {int(k): int(v) for k, v in segment["domains"].items()}
        self._bijections: dict = {}

    def _ordered(self, purpose: int, size: int, *rest) -> Bijection:
        name = (purpose, size, *rest)
        if name not in self._bijections:
            if len(self._bijections) >= 4096:
                self._bijections.clear()
            self._bijections[name] = Bijection(size, key_of(self.segment["seed"], _U32(purpose), *[_U32(w) for w in rest]))
        return self._bijections[name]

    def _slots(self, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Entry and index within the entry of the 16 draws of each slot: two arrays [slots, 16]."""
        s = self.segment
        low, high = words(slots)
        key = key_of(s["seed"], _U32(SLOTS), low, high)
        order = np.tile(np.arange(SLOT), (len(slots), 1))
        rows = np.arange(len(slots))
        for i in range(SLOT - 1, 0, -1):
            j = (absorb(key, _U32(i)) % _U32(i + 1)).astype(np.int64)
            order[rows, i], order[rows, j] = order[rows, j], order[rows, i].copy()
        turn = s["turn"] + slots * SLOT - s["start"]
        entries = self.turns.entry(turn[:, None] + order)
        earlier = np.tril(entries[:, :, None] == entries[:, None, :], -1).sum(2)
        index = np.empty_like(entries)
        for k in np.unique(entries):
            before = self.turns.before(int(k), turn) - self.first[k]
            index = np.where(entries == k, before[:, None] + earlier, index)
        return entries, index

    def draws(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Entry, domain and ordinal of draws (numbers within the plan, all inside this segment): int64 arrays [n]."""
        t = np.asarray(t, np.int64)
        slots, inverse = np.unique(t // SLOT, return_inverse=True)
        entries, indices = self._slots(slots)
        entry, index = entries[inverse, t % SLOT], indices[inverse, t % SLOT]
        domain, ordinal = np.empty_like(t), np.empty_like(t)
        for k in np.unique(entry):
            mine = np.flatnonzero(entry == k)
            domain[mine], ordinal[mine] = self._entry_draws(int(k), index[mine])
        return entry, domain, ordinal

    def _entry_draws(self, k: int, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        runs = self.segment["entries"][k]["runs"]
        ends = np.cumsum([r["draws"] * r["repeat"] for r in runs])
        which = np.searchsorted(ends, index, "right")
        domain, ordinal = np.empty_like(index), np.empty_like(index)
        for at in np.unique(which):
            run, mine = runs[at], np.flatnonzero(which == at)
            repetition, within = np.divmod(index[mine] - (ends[at - 1] if at else 0), run["draws"])
            for r in np.unique(repetition):
                here = np.flatnonzero(repetition == r)
                d, o = self._run_draws(k, int(at), int(r), run, within[here])
                domain[mine[here]], ordinal[mine[here]] = d, o
        return domain, ordinal

    def _run_draws(self, k: int, at: int, repetition: int, run: dict, within: np.ndarray):
        pieces = run["pieces"]
        if len(pieces) > 1:
            low, high = words(repetition)
            within = self._ordered(RUN, run["draws"], self.segment["segment"], k, at, int(low), int(high)).at(within)
        ends = np.cumsum([p["count"] for p in pieces])
        which = np.searchsorted(ends, within, "right")
        domain, ordinal = np.empty_like(within), np.empty_like(within)
        for i in np.unique(which):
            piece, mine = pieces[i], np.flatnonzero(which == i)
            offset = within[mine] - (ends[i - 1] if i else 0)
            skip = np.asarray(piece.get("skip", ()), np.int64)
            position = piece["from"] + offset + np.searchsorted(skip - piece["from"] - np.arange(len(skip)), offset, "right")
            low, high = words(piece["pass"] + repetition)
            order = self._ordered(STEP, self.domains[piece["domain"]], piece["domain"], int(low), int(high))
            domain[mine], ordinal[mine] = piece["domain"], order.at(position)
        return domain, ordinal


class PlanOrder:
    """All segments of a plan: a draw is (segment, entry, domain, ordinal)."""

    def __init__(self, segments: list[dict]):
        self.orders = [SegmentOrder(s) for s in segments]
        self.starts = np.array([s["start"] for s in segments], np.int64)
        self.draws = segments[-1]["start"] + segments[-1]["draws"] if segments else 0

    def at(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        t = np.asarray(t, np.int64)
        if len(t) and (t.min() < 0 or t.max() >= self.draws):
            raise IndexError(f"draws 0 to {self.draws - 1} exist, {t.min()} to {t.max()} asked")
        which = np.searchsorted(self.starts, t, "right") - 1
        out = np.empty((3, len(t)), np.int64)
        for s in np.unique(which):
            mine = np.flatnonzero(which == s)
            out[:, mine] = self.orders[s].draws(t[mine])
        return which, out[0], out[1], out[2]


def draw_seed(seed: int, t: np.ndarray) -> np.ndarray:
    """uint64 seeds of draws, for augmentation."""
    low, high = words(t)
    key = key_of(seed, _U32(SEED), low, high)
    return absorb(key, _U32(0)).astype(np.uint64) | absorb(key, _U32(1)).astype(np.uint64) << np.uint64(32)
