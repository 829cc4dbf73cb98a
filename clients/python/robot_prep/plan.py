"""A stored plan: its segments, and which step a draw is."""
from __future__ import annotations

import gzip
import json

import numpy as np

from .errors import fault
from .order import PLAN_VERSION, PlanOrder, draw_seed
from .tables import Tables

#: Draws that are placed at once: the work is per call, not per draw, and a reader goes on from where it is.
AHEAD = 4096


class Plan:
    """``draws``: take only the segments of the first so many draws, so that workers see the plan as their parent did."""

    def __init__(self, tables: Tables, plan: str, draws: int | None = None):
        if plan == "latest":
            plan, draws = _latest(tables)
        table = tables.open("plans")
        rows = [] if table is None else table.to_table(filter="plan = '%s'" % plan.replace("'", "''")).to_pylist()
        if not rows:
            there = [] if table is None else sorted(set(table.to_table(columns=["plan"])["plan"].to_pylist()))
            raise fault("unknown-plan", tables.store, f"plan {plan}", f"plans {', '.join(there) or 'none'}", "see `prep plan list`")
        rows.sort(key=lambda row: row["segment"])
        for row in rows:
            if row["version"] != PLAN_VERSION:
                raise fault("unknown-plan", f"plan {plan}", f"version {PLAN_VERSION}", f"version {row['version']}", "use a client of the prep that made it")
        if draws is not None:
            rows = [row for row in rows if row["start"] < draws]
        self.plan = plan
        self.tables = tables
        self.segments = [json.loads(row["segment_json"]) for row in rows]
        self.attempts = sorted({row["domain_attempt"] for row in rows})
        self.harmony = json.loads(rows[0]["harmony_json"])
        self.mixture = json.loads(rows[0]["mixture_json"])
        self.order = PlanOrder(self.segments)
        self.draws = self.order.draws
        names = dict.fromkeys(entry["dataset"] for segment in self.segments for entry in segment["entries"])
        #: Names of the datasets; rows say an index into it.
        self.datasets = list(names)
        self._entry_dataset = [np.array([self.datasets.index(e["dataset"]) for e in s["entries"]]) for s in self.segments]
        self._domains: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self._placed = (0, (np.empty(0, np.int64),) * 3)

    def segment_at(self, draw: int) -> int:
        """Number of the segment that holds a draw; of the last one for the end."""
        return max((s["segment"] for s in self.segments if s["start"] <= draw), default=0)

    def seeds(self, draws: np.ndarray) -> np.ndarray:
        """uint64 [n]."""
        out = np.empty(len(draws), np.uint64)
        which = np.searchsorted(self.order.starts, draws, "right") - 1
        for s in np.unique(which):
            mine = which == s
            out[mine] = draw_seed(self.segments[s]["seed"], draws[mine])
        return out

    def place(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Dataset (index), episode key and step of draws: arrays [n]."""
        first, last = (int(draws.min()), int(draws.max())) if len(draws) else (0, self.draws)
        if last >= min(first + AHEAD, self.draws):
            return self._place(draws)
        start, places = self._placed
        if first < start or last >= start + len(places[0]):
            start, places = first, self._place(np.arange(first, min(first + AHEAD, self.draws)))
            self._placed = (start, places)
        return tuple(one[draws - start] for one in places)

    def _place(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        segment, entry, domain, ordinal = self.order.at(draws)
        dataset = np.empty(len(draws), np.int64)
        for s in np.unique(segment):
            mine = segment == s
            dataset[mine] = self._entry_dataset[s][entry[mine]]
        key, step = np.empty(len(draws), np.int64), np.empty(len(draws), np.int64)
        for one in np.unique(domain):
            mine = np.flatnonzero(domain == one)
            keys, starts, firsts = self._domain(int(one))
            at = np.searchsorted(firsts, ordinal[mine], "right") - 1
            key[mine], step[mine] = keys[at], starts[at] + ordinal[mine] - firsts[at]
        return dataset, key, step

    def _domain(self, number: int):
        if not self._domains:
            self._read_domains()
        return self._domains[number]

    def _read_domains(self) -> None:
        name = f"plan_{self.plan}_domain"
        table = self.tables.need(name, "the plan's domains", "make the plan again", "unknown-plan")
        rows = table.to_table(
            columns=["domain", "episode_key", "start", "end"], filter=f"attempt IN ({', '.join(map(str, self.attempts))})"
        )
        domain, key, start, end = (rows[c].to_numpy() for c in ("domain", "episode_key", "start", "end"))
        if not _sorted(domain, key, start):
            order = np.lexsort((start, key, domain))
            domain, key, start, end = domain[order], key[order], start[order], end[order]
        start, end = start.astype(np.int64), end.astype(np.int64)
        numbers, begins = np.unique(domain, return_index=True)
        ends = [*begins[1:], len(domain)]
        found = {}
        for one, a, b in zip(numbers.tolist(), begins, ends):
            lengths = end[a:b] - start[a:b]
            firsts = np.cumsum(lengths) - lengths
            self._domains[one] = (key[a:b], start[a:b], firsts)
            found[one] = int(lengths.sum())
        for segment in self.segments:
            for number, size in segment["domains"].items():
                if found.get(int(number)) != size:
                    raise fault(
                        "unknown-plan", f"plan {self.plan}", f"a domain {number} of {size} steps", str(found.get(int(number), "none")),
                        "something else changed the table of its domains: make the plan again",
                    )


def _latest(tables: Tables) -> tuple[str, int]:
    """Plan and draws of the highest published generation: its segments are there whole, later ones may not be."""
    table = tables.open("snapshots")
    rows = [] if table is None else table.to_table(columns=["generation", "json"]).to_pylist()
    if not rows:
        raise fault("unknown-plan", tables.store, "a published generation", "none", "`prep reshard` publishes one; or give the id of a plan")
    newest = json.loads(gzip.decompress(max(rows, key=lambda row: row["generation"])["json"]))
    segments = tables.need("plans", "the table of plans", "make the plan again", "unknown-plan").to_table(
        columns=["segment", "start", "draws"], filter="plan = '%s'" % newest["plan"]
    ).to_pylist()
    return newest["plan"], max(row["start"] + row["draws"] for row in segments if row["segment"] < newest["segments"])


def _sorted(domain: np.ndarray, key: np.ndarray, start: np.ndarray) -> bool:
    """By domain, then key, then start, as they are written: two million ranges are not sorted again for nothing."""
    later = domain[1:] > domain[:-1]
    same = domain[1:] == domain[:-1]
    fine = later | (same & ((key[1:] > key[:-1]) | ((key[1:] == key[:-1]) & (start[1:] >= start[:-1]))))
    return bool(fine.all())
