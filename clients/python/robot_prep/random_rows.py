"""Rows of a plan at random from the step tables: one sorted take per dataset, made alike, put in draw order."""
from __future__ import annotations

import numpy as np
import pyarrow as pa

from . import rows as columns
from .errors import fault
from .harmony import ROLES, harmonise
from .plan import Plan
from .tables import TAKE_ROWS, Tables

#: What another tool, camera or layout changes, and what changing one of them needs.
MOVED = {"action", "action_valid", "history", "proprio"}
MOTION = {"action", "action_valid", "history", "proprio", "camera", "present", "robot"}


class StepTable:
    """`<dataset>_steps` through its ledger."""

    def __init__(self, tables: Tables, dataset: str):
        remedy = "ingest it again, or drop the plan"
        self.dataset = dataset
        self.steps = tables.need(f"{dataset}_steps", "the dataset that the plan draws from", remedy)
        self.ledger = tables.need(f"{dataset}_episodes", "the ledger of the dataset that the plan draws from", remedy)
        self.metadata = tables.metadata(f"{dataset}_steps")
        self.roles = [role for role in ROLES if role in self.metadata["roles"]]
        self._read_ledger()

    def _read_ledger(self) -> None:
        names = ["episode_key", "first_row", "group", "length", "rows", "hz", "attempt"]
        table = self.ledger.to_table(columns=names, filter="state = 'kept'", with_row_id=True)
        key, attempt = columns.plain(table, "episode_key"), columns.plain(table, "attempt")
        order = np.lexsort((attempt, key)) if len(attempt) and attempt.min() != attempt.max() else np.argsort(key)
        newest = np.append(key[order][1:] != key[order][:-1], True) if len(key) else np.zeros(0, bool)
        order = order[newest]
        self.key = key[order]
        self.first, self.group, self.length, self.count, self.hz, self.ledger_id = (
            columns.plain(table, name)[order] for name in ("first_row", "group", "length", "rows", "hz", "_rowid")
        )
        # Of these only drawn steps have rows (`prep ingest --plan`), in step order.
        self.partial = self.count < self.length
        self._drawn: dict[int, np.ndarray] = {}

    def find(self, key: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Index in the ledger of every (episode key, step). Raises for what the store no longer has."""
        at = np.minimum(np.searchsorted(self.key, key), max(0, len(self.key) - 1))
        bad = np.flatnonzero((self.key[at] != key) | (step >= self.length[at])) if len(self.key) else np.arange(len(key))
        if len(bad):
            raise self._stale(int(key[bad[0]]), int(step[bad[0]]), "none that the ledger names")
        return at

    def places(self, at: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Place of every step among its episode's rows."""
        partial = self.partial[at]
        if not partial.any():
            return step
        out = step.copy()
        for episode in np.unique(at[partial]).tolist():
            mine, drawn = np.flatnonzero(at == episode), self._drawn_steps(episode)
            place = np.searchsorted(drawn, step[mine])
            bad = np.flatnonzero((place >= len(drawn)) | (drawn[np.minimum(place, max(0, len(drawn) - 1))] != step[mine])) if len(drawn) else mine
            if len(bad):
                raise self._stale(int(self.key[episode]), int(step[mine[bad[0]]] if len(drawn) else step[mine[0]]), "rows of other steps alone")
            out[mine] = place
        return out

    def _drawn_steps(self, episode: int) -> np.ndarray:
        if episode not in self._drawn:
            ids = pa.array(np.arange(self.first[episode], self.first[episode] + self.count[episode], dtype=np.uint64))
            table = self.steps._take_rows(ids, columns=["step"])
            self._drawn[episode] = columns.plain(table, "step").astype(np.int64)
        return self._drawn[episode]

    def take(self, key: np.ndarray, step: np.ndarray, names: list[str]) -> tuple[list[pa.Table], np.ndarray, np.ndarray]:
        """Each asked row once, sorted by row id, in pieces; for every asked one its place among them, and its index in the ledger."""
        at = self.find(key, step)
        ids, first, inverse = np.unique(self.first[at] + self.places(at, step), return_index=True, return_inverse=True)
        pieces = []
        for begin in range(0, len(ids), TAKE_ROWS):
            mine = slice(begin, begin + TAKE_ROWS)
            # `_take_rows` is what stable row ids are for; `take` counts physical offsets, which deletions move.
            table = self.steps._take_rows(pa.array(ids[mine].astype(np.uint64)), columns=names)
            self._check(table, key[first[mine]], step[first[mine]], self.group[at[first[mine]]])
            pieces.append(table)
        return pieces, inverse.reshape(-1), at

    def _check(self, table: pa.Table, key: np.ndarray, step: np.ndarray, group: np.ndarray) -> None:
        """A row counts only where the ledger says so."""
        if table.num_rows == len(key):
            wrong = (columns.plain(table, "episode_key") != key) | (columns.plain(table, "step") != step) | (columns.plain(table, "group") != group)
            if not wrong.any():
                return
            bad = int(np.flatnonzero(wrong)[0])
            raise self._stale(int(key[bad]), int(step[bad]), "another row in its place")
        raise self._stale(int(key[0]), int(step[0]), f"{table.num_rows} of the {len(key)} rows read with it")

    def _stale(self, key: int, step: int, found: str):
        return fault(
            "stale-shard", f"dataset {self.dataset}, step {step}", f"the rows of the episode with key {key}, which the plan draws", found,
            "make a new plan: the episode was removed from the store or has no pictures yet",
        )

    def instructions(self, at: np.ndarray) -> list[list[str]]:
        """All texts of the episodes at these indices of the ledger."""
        ids, inverse = np.unique(self.ledger_id[at], return_inverse=True)
        lists = self.ledger._take_rows(pa.array(ids.astype(np.uint64)), columns=["instructions"])["instructions"].to_pylist()
        return [lists[i] for i in inverse.reshape(-1).tolist()]


class RandomRows:
    """Rows of any draws. ``names``: columns of the mixed row that are wanted."""

    def __init__(self, plan: Plan, tables: Tables, names: set[str]):
        self.plan, self.tables, self.names = plan, tables, names
        self.harmony = plan.harmony
        self._tables: dict[int, StepTable] = {}
        self._held: list[pa.Table] = []

    def table(self, index: int) -> StepTable:
        if index not in self._tables:
            self._tables[index] = StepTable(self.tables, self.plan.datasets[index])
        return self._tables[index]

    def read(self, draws: np.ndarray) -> dict:
        """Columns by name; numbers as arrays, pictures as lists of bytes by role, texts as lists."""
        dataset, key, step = self.plan.place(draws)
        out: dict = {"dataset_index": dataset, "episode_key": key, "step": step}
        earlier, self._held = self._held, []
        for index in np.unique(dataset).tolist():
            mine = np.flatnonzero(dataset == index)
            part = self._part(self.table(index), key[mine], step[mine])
            for name, values in part.items():
                self._put(out, name, values, mine, len(draws))
        # Freed only now: memory that is given back before the next take is mapped anew for it, a quarter of the take's cost.
        del earlier
        return out

    @staticmethod
    def _put(out: dict, name: str, values, mine: np.ndarray, count: int) -> None:
        whole = len(mine) == count
        if isinstance(values, list):
            if whole:
                out[name] = values
                return
            into = out.setdefault(name, [None] * count)
            for i, value in zip(mine.tolist(), values):
                into[i] = value
        elif whole:
            out[name] = values
        else:
            out.setdefault(name, np.empty((count, *values.shape[1:]), values.dtype))[mine] = values

    def _part(self, table: StepTable, key: np.ndarray, step: np.ndarray) -> dict:
        changes = any(table.metadata[what] != self.harmony[what] for what in ("reference", "tool", "rot6d"))
        wanted = self.names | (MOTION if changes and self.names & MOVED else set()) | {"present"}
        roles = [role for role in self.harmony["roles"] if role in table.roles and f"image_{role}" in wanted]
        plain = [n for n in ("robot", "instruction", "action", "action_valid", "history", "proprio", "camera", "image_hash", "present") if n in wanted]
        names = ["episode_key", "step", "group", *plain, *(f"image_{role}" for role in roles)]
        pieces, inverse, at = table.take(key, step, names)
        self._held += pieces
        arms, steps = len(table.metadata["arms"]), table.metadata["chunk"]["steps"]
        parts = [columns.numbers(piece, wanted, arms, steps, len(table.roles)) for piece in pieces]
        rows: dict = {name: np.concatenate([part[name] for part in parts]) if len(parts) > 1 else parts[0][name] for name in parts[0]}
        for name in ("robot", "instruction"):
            if name in wanted:
                rows[name] = [text for piece in pieces for text in columns.texts(piece, name)]
        rows = harmonise(rows, table.metadata, self.harmony)
        for role in self.harmony["roles"]:
            if f"image_{role}" in self.names:
                none = [memoryview(b"")] * len(rows["present"])
                rows[f"image_{role}"] = [b for piece in pieces for b in columns.binaries(piece, f"image_{role}")] if role in roles else none
        order = inverse.tolist()
        out = {name: [values[i] for i in order] if isinstance(values, list) else values[inverse] for name, values in rows.items()}
        if "hz" in self.names:
            out["hz"] = table.hz[at].astype(np.float32)
        if "instructions" in self.names:
            out["instructions"] = table.instructions(at)
        return out
