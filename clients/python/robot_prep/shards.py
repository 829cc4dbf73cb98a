"""Rows of a plan from its training shards, in order: the same columns as at random, made alike before they were written."""
from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa

from . import rows as columns
from .errors import fault
from .plan import Plan
from .tables import TAKE_ROWS, Tables, gone


def fingerprint_of(metadata: dict[str, dict]) -> str:
    """Of the datasets' tables: a shard made of other ones is stale."""
    prints = {name: {what: one["fingerprint"][what] for what in ("labels", "pixels")} for name, one in sorted(metadata.items())}
    return hashlib.sha256(json.dumps(prints, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()[:32]


class ShardRows:
    def __init__(self, plan: Plan, tables: Tables, names: set[str]):
        self.plan, self.tables, self.names = plan, tables, names
        self.harmony = plan.harmony
        index = tables.need(f"shards_{plan.plan}", f"training shards of plan {plan.plan}", '`prep shard` makes them, or source="plan"', "stale-shard")
        entries = sorted(index.to_table().to_pylist(), key=lambda row: row["start"])
        self.entries = [row for row in entries if row["start"] < plan.draws]
        self.starts = np.array([row["start"] for row in self.entries], np.int64)
        self.ends = self.starts + np.array([row["draws"] for row in self.entries], np.int64)
        self._fresh: set[int] = set()
        self._held: list[pa.Table] = []
        self._check_fingerprint()

    def covers(self, start: int, end: int) -> tuple[bool, int]:
        """Whether every draw from `start` to `end` is in a shard, and the first that is not."""
        at = start
        for a, b in zip(self.starts.tolist(), self.ends.tolist()):
            if a <= at < b:
                at = b
        return at >= end, at

    def need(self, start: int, end: int) -> None:
        fine, at = self.covers(start, end)
        if not fine:
            size = max((row["draws"] for row in self.entries), default=61_440)
            raise fault(
                "stale-shard", f"plan {self.plan.plan}, shard {at // size:05d}", f"a training shard of draw {at}", "none in the index",
                '`prep shard` makes what is missing, or read with source="plan"',
            )

    def _check_fingerprint(self) -> None:
        """Against the datasets where the store has them; shards alone may be copied to where training runs."""
        if any(self.tables.open(f"{name}_steps") is None for name in self.plan.datasets):
            return
        known = fingerprint_of({name: self.tables.metadata(f"{name}_steps") for name in self.plan.datasets})
        for row in self.entries:
            if row["fingerprint"] != known:
                raise fault(
                    "stale-shard", row["table"], f"a shard of the datasets as they are (fingerprint {known})", row["fingerprint"],
                    '`prep shard --replace` makes it again, or read with source="plan"',
                )

    def _open(self, which: int):
        row = self.entries[which]
        table = self.tables.need(row["table"], f"shard {row['shard']:05d} that the index names", "`prep shard --replace` makes it again", "stale-shard")
        if which not in self._fresh:
            self._inspect(row, table)
            self._fresh.add(which)
        return table

    def _inspect(self, row: dict, table) -> None:
        meta = self.tables.metadata(row["table"])
        remedy = "`prep shard --replace` makes it again"
        if meta.get("plan") != self.plan.plan:
            raise fault("stale-shard", row["table"], f"a shard of plan {self.plan.plan}", f"one of {meta.get('plan')}", remedy)
        own = meta.get("fingerprint", row["fingerprint"])
        if own != row["fingerprint"]:
            raise fault("stale-shard", row["table"], f"fingerprint {row['fingerprint']} as in the index", own, remedy)
        if table.count_rows() != row["draws"]:
            raise fault("stale-shard", row["table"], f"{row['draws']} rows", str(table.count_rows()), remedy)

    def read(self, draws: np.ndarray) -> dict:
        which = np.searchsorted(self.starts, draws, "right") - 1
        wanted = self.names | {"present"}
        roles = [role for role in self.harmony["roles"] if f"image_{role}" in wanted]
        order = ("dataset", "robot", "instruction", "instructions", "hz", "action", "action_valid", "history", "proprio", "camera", "image_hash", "present")
        names = ["draw", *(n for n in order if n in wanted), *(f"image_{role}" for role in roles)]
        pieces = []
        for s in np.unique(which).tolist():
            mine = draws[which == s]
            table = self._open(s)
            for begin in range(0, len(mine), TAKE_ROWS):
                part = mine[begin : begin + TAKE_ROWS]
                piece = self._take(s, table, (part - self.starts[s]).tolist(), names)
                self._check(s, piece, part)
                pieces.append(piece)
        # Held until the next read has its own, as in `random_rows.py`.
        self._held = pieces
        table = pieces[0] if len(pieces) == 1 else pa.concat_tables(pieces)
        return self._columns(table, pieces, wanted, roles)

    def _take(self, which: int, table, offsets: list[int], names: list[str]) -> pa.Table:
        try:
            return table.take(offsets, columns=names)
        except (OSError, ValueError) as error:
            # Retention may drop a shard that is open here.
            if not gone(error):
                raise
            row = self.entries[which]
            raise fault(
                "stale-shard", row["table"], f"shard {row['shard']:05d}, which was there when it was opened", "its files are gone",
                '`prep shard` makes it again, or read with source="plan"',
            ) from error

    def _check(self, which: int, piece: pa.Table, draws: np.ndarray) -> None:
        if not np.array_equal(columns.plain(piece, "draw"), draws):
            raise fault(
                "stale-shard", self.entries[which]["table"], f"draws {draws[0]} to {draws[-1]}", "other rows in their places",
                "`prep shard --replace` makes it again",
            )

    def _columns(self, table: pa.Table, pieces: list[pa.Table], wanted: set[str], roles: list[str]) -> dict:
        arms, steps = self.harmony["arms"], self.harmony["steps"]
        out: dict = columns.numbers(table, wanted, arms, steps, len(self.harmony["roles"]))
        for name in ("robot", "instruction", "instructions", "dataset"):
            if name in wanted:
                out[name] = columns.texts(table, name)
        if "hz" in wanted:
            out["hz"] = columns.plain(table, "hz")
        for role in roles:
            out[f"image_{role}"] = [b for piece in pieces for b in columns.binaries(piece, f"image_{role}")]
        return out

    def verify(self, shard: int) -> None:
        """Reads a shard's order and compares its hash with the index, and with the plan. Raises `stale-shard`."""
        which = [row["shard"] for row in self.entries].index(shard)
        row, digest = self.entries[which], hashlib.sha256()
        at = row["start"]
        for batch in self._open(which).to_batches(columns=["episode_key", "step"]):
            pairs = np.empty(batch.num_rows, np.dtype([("key", "<i8"), ("step", "<i4")]))
            pairs["key"], pairs["step"] = batch["episode_key"].to_numpy(), batch["step"].to_numpy()
            digest.update(pairs.tobytes())
            _, key, step = self.plan.place(np.arange(at, at + batch.num_rows))
            at += batch.num_rows
            if not (np.array_equal(key, pairs["key"]) and np.array_equal(step, pairs["step"])):
                raise fault("stale-shard", row["table"], "the steps that the plan draws", "other ones", "`prep shard --replace` makes it again")
        if digest.hexdigest() != row["order_hash"]:
            raise fault("stale-shard", row["table"], f"order {row['order_hash']}", digest.hexdigest(), "`prep shard --replace` makes it again")
