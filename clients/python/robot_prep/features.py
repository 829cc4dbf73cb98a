"""Stage-1 features with their rows: looked up by draw, compared with the rows' own pictures, decoded here or on a GPU."""
from __future__ import annotations

import copy
import dataclasses
import math
import threading

import numpy as np

from . import rows as columns
from .errors import fault
from .feature_codec import decode
from .feature_batch import FORMS, empty, with_taps
from .feature_checksum import check_rows, digest_of
from .feature_tables import RUN, TAKE_BYTES, FeatureMaps, find_set, refuse_trained
from .images import decode_into

#: Bytes of features of small batches that are read together.
READ_BYTES = 256 << 20
#: Keys of the batch that only a reader with features has.
KEYS = ("features", "feature_mask", "feature_computed")


@dataclasses.dataclass
class FeatureOptions:
    """What `PrepDataset` says of them."""

    model: str | None = None
    #: "refuse", or a function that computes them.
    missing: object = "refuse"
    form: str = "float32"
    taps: list | None = None
    verify: bool = False

    def __post_init__(self):
        if self.form not in FORMS:
            raise fault("bad-option", "features_as", f"one of {', '.join(FORMS)}", repr(self.form))
        if self.missing != "refuse" and not callable(self.missing):
            raise fault("bad-option", "features_missing", '"refuse" or a function', repr(self.missing))
        if callable(self.missing) and self.form == "stored":
            raise fault("bad-option", "features_missing", 'features_as="float32" or "float16" with a function: what it computes is not stored', '"stored"')
        if self.verify:
            digest_of()


class CachedFeatures:
    """Reads the features of draws of one plan from one set."""

    def __init__(self, tables, plan, name: str, options: FeatureOptions):
        self.options, self.spec = options, find_set(tables, str(name), options.model)
        refuse_trained(plan.mixture, self.spec)
        self.maps = FeatureMaps(tables, self.spec, plan)
        self.views = self.spec["views"]
        self.kept = self._kept(options.taps)
        #: Of the taps that are given out: what `decode` is told.
        self.given = with_taps(self.spec, self.kept)
        model = self.given["model"]
        self.shape = (len(model["taps"]), int(model["tokens"]), int(model["hidden"]))
        self.missing_count = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _kept(self, taps) -> list[int]:
        there = self.spec["model"]["taps"]
        asked = there if taps is None else list(taps)
        if not asked or len(set(asked)) != len(asked) or not set(asked) <= set(there):
            raise fault("bad-option", "features_taps", f"some of {', '.join(map(str, there))}, each once", ", ".join(map(str, asked)) or "none")
        return [there.index(tap) for tap in asked]

    @property
    def most_rows(self) -> int:
        """Rows that are read together: small batches need not wait for each other's gigabytes."""
        size = {"float32": 4, "float16": 2}.get(self.options.form) or {"int8": 1, "f32": 4}.get(self.spec["codec"]["name"], 2)
        return max(1, READ_BYTES // (size * len(self.views) * math.prod(self.shape)))

    def count(self, missing: int) -> None:
        with self._lock:
            self.missing_count += missing

    def read(self, rows: dict, source, dataset) -> dict:
        """Keys of the batch for rows with `draw`. ``source``: what they were read from; ``dataset``: a PrepDataset."""
        draws, hashes = rows["draw"], self._hashes(rows, source)
        table, row = self.maps.places(draws)
        missing = np.flatnonzero(table < 0)
        self.count(len(missing))
        if len(missing) and not callable(self.options.missing):
            raise self._without(draws, missing, hashes)
        values = "features" in dataset.wanted
        out, mask = empty(self, len(draws)) if values else None, np.zeros((len(draws), len(self.views)), bool)
        for index in np.unique(table[table >= 0]).tolist():
            mine = np.flatnonzero(table == index)
            mask[np.ix_(mine, self._slots(index))] = True
            self._fill(out, index, row[mine], _Rows(mine, draws, hashes, source))
        computed = np.zeros(len(draws), bool)
        if len(missing):
            computed[missing] = True
            mask[missing] = hashes[missing] != 0
            if values:
                self._compute(out, missing[mask[missing].any(1)], mask, (rows, source, dataset))
        return {**({"features": out} if values else {}), "feature_mask": mask, "feature_computed": computed}

    def _hashes(self, rows: dict, source) -> np.ndarray:
        """`image_hash` of the set's views, 0 where a row has no picture: int64 [n, V]."""
        roles, found = source.harmony["roles"], rows["image_hash"]
        out = np.zeros((len(found), len(self.views)), np.int64)
        for slot, role in enumerate(self.views):
            if role in roles:
                out[:, slot] = found[:, roles.index(role)]
        return out

    def _slots(self, index: int) -> list[int]:
        return [self.views.index(role) for role in self.maps.tables[index]["views"]]

    # Arrays.

    def _fill(self, out, index: int, row: np.ndarray, asked: "_Rows") -> None:
        """Each row of a table once, ascending; put to all draws that show it."""
        ids, inverse = np.unique(row, return_inverse=True)
        parts = self._parts() if out is not None or self.options.verify else ()
        views = self.maps.tables[index]["views"]
        names = ["image_hash", *(["checksum"] if self.options.verify else []), *(role + part for role in views for part in parts)]
        step = max(1, TAKE_BYTES // self._row_bytes(len(views))) if parts else 4096
        for begin in range(0, len(ids), step):
            piece = self.maps.take(index, ids[begin : begin + step], names)
            here = (inverse >= begin) & (inverse < begin + step)
            at, mine = inverse[here] - begin, asked.mine[here]
            self._check_pictures(columns.fixed(piece, "image_hash")[at], index, mine, asked)
            arrays = {role: {part or "_values": columns.fixed(piece, role + part) for part in parts} for role in views}
            if self.options.verify:
                check_rows(columns.plain(piece, "checksum"), [a for one in arrays.values() for a in one.values()], self.maps.tables[index]["table"], ids[begin:])
            if out is not None:
                for role in views:
                    self._put(out, role, {part[1:]: self._cut(array) for part, array in arrays[role].items()}, at, mine)

    def _parts(self) -> tuple[str, ...]:
        codec = self.spec["codec"]
        return ("",) if codec["name"] != "int8" else ("", "_scale", *(["_side"] if codec["outliers"][0] else []))

    def _row_bytes(self, views: int) -> int:
        model = self.spec["model"]
        return views * len(model["taps"]) * model["tokens"] * model["hidden"] * {"int8": 1, "f32": 4}.get(self.spec["codec"]["name"], 2)

    def _cut(self, array: np.ndarray) -> np.ndarray:
        """The taps that are asked for."""
        taps = len(self.spec["model"]["taps"])
        if self.kept == list(range(taps)):
            return array
        return array.reshape(len(array), taps, -1)[:, self.kept].reshape(len(array), -1)

    def _put(self, out, role: str, arrays: dict, at: np.ndarray, mine: np.ndarray) -> None:
        # A row is megabytes: a copy of all of them in between would cost more than the loop.
        if self.options.form == "stored":
            for part, array in arrays.items():
                for to, one in zip(mine.tolist(), at.tolist()):
                    out[role][part][to] = array[one]
            return
        view = self.views.index(role)
        for one in np.unique(at).tolist():
            out[mine[at == one], view] = self._numbers({part: array[one : one + 1] for part, array in arrays.items()})

    # What must not be handed out.

    def _numbers(self, arrays: dict) -> np.ndarray:
        if self.options.form == "float32" or self.spec["codec"]["name"] == "f16":
            return decode(self.given, arrays, dtype=np.dtype(self.options.form))
        found = decode(self.given, arrays)
        with np.errstate(over="ignore"):
            half = found.astype(np.float16)
        if not np.isfinite(half).all():
            raise fault("bad-value", f"feature set {self.spec['name']}", "numbers that float16 holds", str(np.abs(found).max()), 'features_as="float32", or "stored"')
        return half

    def _check_pictures(self, found: np.ndarray, index: int, mine: np.ndarray, asked: "_Rows") -> None:
        then = np.zeros((len(mine), len(self.views)), np.int64)
        then[:, self._slots(index)] = found
        wrong = np.argwhere(then != asked.hashes[mine])
        if not len(wrong):
            return
        i, view = wrong[0].tolist()
        dataset, key, step = asked.source.plan.place(asked.draws[mine[i : i + 1]])
        raise fault(
            "stale-features", f"dataset {asked.source.plan.datasets[dataset[0]]}, episode with key {key[0]}, step {step[0]}, {self.views[view]}, feature set {self.spec['name']}",
            f"features of the picture {asked.hashes[mine[i], view]}", f"those of {then[i, view]}",
            "the pictures were made again since: `prep features run` makes the features of the new ones",
        )

    def _without(self, draws: np.ndarray, missing: np.ndarray, hashes: np.ndarray):
        fits = [{self.views.index(role) for role in one} for one in self.spec["signatures"]]
        never = sum(set(np.flatnonzero(row).tolist()) not in fits for row in hashes[missing])
        unfit = f", {never} of them with views that no graph of the set is for" if never else ""
        return fault(
            "stale-features", f"feature set {self.spec['name']}", "features of every draw",
            f"{len(missing)} of {len(draws)} draws without, the first of them draw {draws[missing[0]]}{unfit}",
            f"{RUN}, or give features_missing a function that computes them",
        )

    # What is computed.

    def _compute(self, out: np.ndarray, at: np.ndarray, mask: np.ndarray, of: tuple) -> None:
        if not len(at):
            return
        shape = (len(at), len(self.views), *self.shape)
        found = self.options.missing(self._pictures(at, *of), mask[at])
        with np.errstate(over="ignore"):
            found = np.asarray(found, out.dtype)
        if found.shape != shape:
            raise fault("bad-value", "features_missing", f"an array {list(shape)}", str(list(found.shape)), "its taps are those of features_taps")
        present = np.where(mask[at][:, :, None, None, None], found, 0)
        if not np.isfinite(present).all():
            raise fault("bad-value", "features_missing", f"finite numbers of {out.dtype}", "NaN or infinity")
        out[at] = present

    def _pictures(self, at: np.ndarray, rows: dict, source, dataset) -> np.ndarray:
        """RGB u8 [n, V, H, W, 3] of these rows alone."""
        roles = [role for role in self.views if role in source.harmony["roles"]]
        if not all(f"image_{role}" in rows for role in roles):
            reader = copy.copy(source)
            reader.names = {f"image_{role}" for role in roles}
            rows, at = reader.read(rows["draw"][at]), np.arange(len(at))
        views = [[rows[f"image_{role}"][i] for i in at.tolist()] if role in roles else [b""] * len(at) for role in self.views]
        out = np.empty((len(at), len(views), dataset.height, dataset.width, 3), np.uint8)
        decode_into(out, views, dataset.decoder)
        return out

@dataclasses.dataclass
class _Rows:
    """Which rows of the batch are asked of a table."""

    mine: np.ndarray
    draws: np.ndarray
    hashes: np.ndarray
    source: object
