"""Feature sets of a store: which one is meant, and in which row of which table the features of a draw lie."""
from __future__ import annotations

import json
import pathlib
import threading

import numpy as np
import pyarrow as pa

from . import rows as columns
from .errors import fault
from .feature_codec import CODECS
from .tables import Tables, gone

#: Entries of a map that are read together, 8 bytes each: 256 batches of 256 draws ahead, never the whole plan.
WINDOW = 65_536
MOST_WINDOWS = 4
#: Bytes of one `take`: a row of ten layers of two views is 2.6 to 10 MB.
TAKE_BYTES = 16 << 20
RUN = "`prep features run` makes them"


def find_set(tables: Tables, name: str, model: str | None) -> dict:
    """`spec_json` of the set of that name or id. Raises `unknown-features`."""
    table = tables.open("features")
    rows = [] if table is None else table.to_table(columns=["set", "name", "spec_json"]).to_pylist()
    found = [row for row in rows if row["set"] == name] or [row for row in rows if row["name"] == name]
    if len(found) != 1:
        what = f"several: {', '.join(row['set'] for row in found)}" if found else f"feature sets {', '.join(sorted(row['name'] for row in rows)) or 'none'}"
        raise fault("unknown-features", tables.store, f"the feature set {name}", what, "ask for one by its id" if found else RUN)
    spec = json.loads(found[0]["spec_json"])
    if spec["version"] != 1 or spec["codec"]["name"] not in CODECS:
        raise fault(
            "unknown-features", f"feature set {name}", f"version 1, stored as {', '.join(CODECS)}", f"version {spec['version']}, {spec['codec']['name']}",
            "use a client of the prep that made it",
        )
    if model is not None:
        _check_model(spec, str(model))
    return spec


def _check_model(spec: dict, asked: str) -> None:
    """``asked``: revision, fingerprint, or an exported model."""
    path = pathlib.Path(asked)
    file = path / "model.json" if path.is_dir() else path
    given = _fingerprint(file) if asked and file.is_file() else asked
    model = spec["model"]
    if not given or given not in (model["revision"], model["fingerprint"]):
        raise fault(
            "unknown-features", f"feature set {spec['name']}", f"features of the model {given or repr(given)}",
            f"those of {model['name']}, revision {model['revision'] or 'unknown'}, fingerprint {model['fingerprint']}", RUN + ", under another name",
        )


def _fingerprint(file: pathlib.Path) -> str:
    try:
        return json.loads(file.read_text())["fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise fault("bad-model", str(file), "the document of an exported model, with its fingerprint", "another one", "export the checkpoint with tools/qwen3vl") from error


def refuse_trained(mixture: dict, spec: dict) -> None:
    """Features are constants only while what computes them is frozen: the rule of `prep features run`."""
    language = spec["model"]["languageModel"]
    vlm = mixture.get("trainsVlm", True)
    vision = mixture.get("trainsVision", vlm)
    if not (vision or (language and vlm)):
        return
    key = "trains_vlm" if language else "trains_vision"
    raise fault(
        "bad-option", f"feature set {spec['name']}", f"a plan whose {'vision-language model' if language else 'vision tower'} is frozen",
        f'one that trains it ("{key}": true in its mixture)',
        "features of its layers would be those of another model after the first step: compute them online, or plan with the preset apt-stage1"
        if language else f'"{key}": false in the mixture file where it stays frozen',
    )


class FeatureMaps:
    """Places of a plan's draws, by the newest map of each segment when this was made: later ones change nothing here."""

    def __init__(self, tables: Tables, spec: dict, plan):
        self.store, self.spec = tables, spec
        self.maps = [self._newest(row, plan) for row in _segments(tables, spec, plan)]
        self.starts = np.array([row["start"] for row in self.maps], np.int64)
        names: dict[str, int] = {}
        #: Every table of the maps once, with its views; places say an index into it.
        self.tables: list[dict] = []
        for row in self.maps:
            for one in row["tables"]:
                if one["table"] not in names:
                    names[one["table"]] = len(self.tables)
                    self.tables.append(one)
            row["numbers"] = np.array([*(names[one["table"]] for one in row["tables"]), -1], np.int64)
        self._reset()

    def _reset(self) -> None:
        self._windows: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._checked: set[str] = set()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name not in ("_windows", "_checked", "_lock")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._reset()

    def _newest(self, found: tuple[dict, list[dict]], plan) -> dict:
        segment, rows = found
        at = f"feature set {self.spec['name']}, segment {segment['segment']} of plan {plan.plan}"
        if not rows:
            raise fault("stale-features", at, "a map of its draws", "none", RUN)
        row = max(rows, key=lambda one: one["revision"])
        expected, there = ((one["start"], one["start"] + one["draws"]) for one in (segment, row))
        if there != expected:
            raise fault("stale-features", at, f"a map of draws {expected[0]} to {expected[1]}", f"one of {there[0]} to {there[1]}", RUN)
        return {"start": row["start"], "draws": row["draws"], "table": row["table"], "tables": json.loads(row["tables_json"])}

    def places(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Index of the table and row in it of each draw, −1 where it has no features: int64 [n] each."""
        table, row = np.empty(len(draws), np.int64), np.empty(len(draws), np.int64)
        segment = np.searchsorted(self.starts, draws, "right") - 1
        offset = draws - self.starts[segment]
        for which, number in sorted(set(zip(segment.tolist(), (offset // WINDOW).tolist()))):
            mine = (segment == which) & (offset // WINDOW == number)
            parts, rows = self._window(which, number)
            at = offset[mine] - number * WINDOW
            table[mine], row[mine] = self.maps[which]["numbers"][parts[at]], rows[at]
        return table, row

    def _window(self, which: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        # Grain reads with threads: one of them reads a window, the others wait for it.
        with self._lock:
            found = self._windows.pop((which, number), None) or self._read(self.maps[which], number)
            self._windows[which, number] = found
            if len(self._windows) > MOST_WINDOWS:
                self._windows.pop(next(iter(self._windows)))
            return found

    def _read(self, row: dict, number: int) -> tuple[np.ndarray, np.ndarray]:
        table = self.store.need(row["table"], "the map of features that the store names", RUN, "stale-features")
        begin = number * WINDOW
        count = min(WINDOW, row["draws"] - begin)
        read = table.to_table(columns=["part", "row"], offset=begin, limit=count)
        parts, rows = (columns.plain(read, name).astype(np.int64) for name in ("part", "row"))
        if len(parts) != count or parts.max() >= len(row["tables"]):
            raise fault("stale-features", row["table"], f"{count} places from {begin} on, in {len(row['tables'])} tables", f"{len(parts)}", RUN)
        return parts, rows

    def take(self, index: int, offsets: np.ndarray, names: list[str]) -> pa.Table:
        """Rows at ascending offsets of a table. Raises `stale-features` where it is gone or another one."""
        one = self.tables[index]
        table = self.store.need(one["table"], "the features that the plan's map names", RUN, "stale-features")
        if one["table"] not in self._checked:
            self._check(one, table)
            self._checked.add(one["table"])
        try:
            found = table.take(offsets.tolist(), columns=names)
        except (OSError, ValueError, IndexError) as error:
            # A store that cannot be reached for a while says nothing of the features.
            if not gone(error) and offsets[-1] < table.count_rows():
                raise
            raise fault("stale-features", one["table"], f"rows {offsets[0]} to {offsets[-1]}", f"an error of Lance: {str(error)[:200]}", RUN) from error
        if found.num_rows != len(offsets):
            raise fault("stale-features", one["table"], f"{len(offsets)} rows, up to row {offsets[-1]}", str(found.num_rows), RUN)
        return found

    def _check(self, one: dict, table) -> None:
        meta = self.store.metadata(one["table"])
        if (meta.get("set"), meta.get("views")) != (self.spec["set"], one["views"]):
            raise fault("stale-features", one["table"], f"set {self.spec['set']}, views {one['views']}", f"set {meta.get('set')}, views {meta.get('views')}", RUN)


def _segments(tables: Tables, spec: dict, plan) -> list[tuple[dict, list[dict]]]:
    """Each segment of the plan with all its maps."""
    table = tables.open(f"features_{spec['set']}_maps")
    rows = [] if table is None else table.to_table(filter="plan = '%s'" % plan.plan).to_pylist()
    return [(segment, [row for row in rows if row["segment"] == segment["segment"]]) for segment in plan.segments]
