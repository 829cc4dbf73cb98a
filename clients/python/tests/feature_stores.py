"""Feature sets for the tests, written from the spec of their tables: random numbers that any reader can make again."""
from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil

import lance
import numpy as np
import pyarrow as pa

from robot_prep import PrepDataset

from .stores import OPTIONS, _fixed, image_hashes

try:
    import xxhash
except ImportError:
    xxhash = None

TAPS, TOKENS, HIDDEN, BLOCK = [0, 3, 8], 64, 48, 16
VIEWS = ["third", "wrist", "wrist2"]
OUTLIERS = [[1, 7], [0, 46], [12, 13]]
SIGNS = np.random.default_rng(5).choice([-1, 1], HIDDEN)


def freeze(store: str, segments: int = 1) -> None:
    """The plan trains nothing, and has more segments: the same entries again, drawn in another order."""
    table = lance.dataset(f"{store}/plans.lance").to_table()
    row, rows = table.to_pylist()[0], []
    mixture = {**json.loads(row["mixture_json"]), "trainsVlm": False}
    for i in range(segments):
        start = i * row["draws"]
        segment = {**json.loads(row["segment_json"]), "segment": i, "start": start, "seed": 3 + i}
        rows.append({**row, "key": f"{row['plan']}/{i}", "segment": i, "start": start, "mixture_json": json.dumps(mixture), "segment_json": json.dumps(segment)})
    lance.write_dataset(pa.Table.from_pylist(rows, schema=table.schema), f"{store}/plans.lance", mode="overwrite")


@dataclasses.dataclass
class Wish:
    codec: str = "f16"
    name: str = "apt-stage1"
    set: str = "00000000000000f1"
    views: list = dataclasses.field(default_factory=lambda: VIEWS)
    signatures: list = dataclasses.field(default_factory=lambda: [VIEWS, ["third", "wrist"]])
    part: int = 100
    #: Draws without features.
    without: frozenset = frozenset()
    #: Segments whose map has a first revision, made when nothing was there.
    revised: tuple = ()
    language_model: bool = True
    scale: float = 1.0


class Written:
    """A set in a store, and what a reader must find: `numbers(draws)` [n, V, taps, 64, D], `mask(draws)`."""

    def __init__(self, store: str, plan: str, wish: Wish | None = None):
        self.store, self.plan_id, self.wish = store, plan, wish or Wish()
        self.plan = PrepDataset(store, plan, 1, source="plan", columns=["draw"]).plan
        self.draws = np.arange(self.plan.draws)
        self.hashes = image_hashes(store, self.plan, self.wish.views, self.draws)
        self.tables: list[tuple[str, list[str]]] = []
        self.place: dict[tuple, tuple[int, int]] = {}
        self._stored: dict[tuple, dict] = {}
        for start in range(0, self.plan.draws, self.wish.part):
            self._write_part(start)
        self._write_maps()
        add_set(store, self.spec)

    @property
    def codec(self) -> dict:
        name = self.wish.codec
        return {"name": name, "block": BLOCK, "signs": SIGNS.tolist(), "outliers": OUTLIERS} if name == "int8" else {"name": name}

    @property
    def spec(self) -> dict:
        model = {
            "name": "tiny", "revision": "r" * 40, "fingerprint": "f" * 64, "precision": "f32", "hidden": HIDDEN, "tokens": TOKENS, "taps": TAPS,
            "tapPoint": "hf_hidden_states", "languageModel": self.wish.language_model, "prefixIds": [1, 2], "positionRule": "as the model has it",
        }
        return {
            "version": 1, "set": self.wish.set, "name": self.wish.name, "model": model, "views": self.wish.views, "signatures": self.wish.signatures,
            "images": "stored", "codec": self.codec, "partDraws": self.wish.part, "gate": {},
        }

    def signature(self, draw: int) -> list[str] | None:
        there = [role for role, one in zip(self.wish.views, self.hashes[draw]) if one]
        return there if there in self.wish.signatures and draw not in self.wish.without else None

    def frame(self, draw: int) -> tuple:
        return tuple(one for one in self.hashes[draw].tolist() if one)

    def raw(self, frame: tuple) -> np.ndarray:
        """float32 [views of the frame, taps, tokens, hidden]; the outlier channels are a hundred times the others."""
        out = np.random.default_rng([abs(one) for one in frame]).normal(0, self.wish.scale, (len(frame), len(TAPS), TOKENS, HIDDEN)).astype(np.float32)
        for tap, channels in enumerate(OUTLIERS):
            out[:, tap][..., channels] *= 100
        return out

    def stored(self, frame: tuple) -> dict:
        """Arrays [views, ...] as the codec keeps them, and `numbers`, what they stand for (float64 for int8)."""
        if frame not in self._stored:
            self._stored[frame] = encode(self.wish.codec, self.raw(frame))
        return self._stored[frame]

    def mask(self, draws) -> np.ndarray:
        return np.array([[self.signature(t) is not None and one != 0 for one in self.hashes[t]] for t in draws])

    def numbers(self, draws) -> np.ndarray:
        out = np.zeros((len(draws), len(self.wish.views), len(TAPS), TOKENS, HIDDEN))
        for i, t in enumerate(draws):
            if self.signature(t) is not None:
                out[i, self.hashes[t] != 0] = self.stored(self.frame(t))["numbers"]
        return out

    def _write_part(self, start: int) -> None:
        fresh: dict[tuple, list[int]] = {}
        for t in range(start, min(start + self.wish.part, self.plan.draws)):
            views = self.signature(t)
            if views is not None and self.frame(t) not in self.place and self.frame(t) not in {self.frame(u) for u in fresh.get(tuple(views), [])}:
                fresh.setdefault(tuple(views), []).append(t)
        for views, draws in fresh.items():
            name = f"features_{self.wish.set}_{self.plan_id}x{start}v{self.wish.signatures.index(list(views))}_attempt00000"
            self._write_rows(name, list(views), draws)
            for row, t in enumerate(draws):
                self.place[self.frame(t)] = (len(self.tables), row)
            self.tables.append((name, list(views)))

    def _write_rows(self, name: str, views: list[str], draws: list[int]) -> None:
        which, key, step = self.plan.place(np.array(draws))
        rows = [self.stored(self.frame(t)) for t in draws]
        parts = [part for part in ("", "_scale", "_side") if part in rows[0]]
        columns = {
            "dataset": pa.array([self.plan.datasets[w] for w in which]), "episode_key": pa.array(key), "step": pa.array(step.astype(np.int32)),
            "frame": pa.array(np.array([hash(self.frame(t)) for t in draws])), "image_hash": _fixed(np.array([self.frame(t) for t in draws])),
            "checksum": pa.array(np.array([checksum(row, parts) for row in rows], np.int64)),
        }
        for v, role in enumerate(views):
            for part in parts:
                columns[role + part] = _fixed(np.stack([row[part][v].reshape(-1) for row in rows]))
        fields = [pa.field(one, column.type, False) for one, column in columns.items()]
        meta = {"prep": json.dumps({"set": self.wish.set, "views": views, "plan": self.plan_id})}
        lance.write_dataset(pa.table(list(columns.values()), schema=pa.schema(fields, meta)), f"{self.store}/{name}.lance", max_rows_per_file=7, **OPTIONS)

    def _write_maps(self) -> None:
        rows = []
        for segment in self.plan.segments:
            number, start, draws = (segment[name] for name in ("segment", "start", "draws"))
            places = [self.place[self.frame(t)] if self.signature(t) is not None else (-1, -1) for t in range(start, start + draws)]
            used = sorted({one[0] for one in places} - {-1}, reverse=True)
            if number in self.wish.revised:
                rows.append(self._write_map(segment, 0, [(-1, -1)] * draws, []))
            rows.append(self._write_map(segment, int(number in self.wish.revised), [(used.index(a) if a >= 0 else -1, b) for a, b in places], used))
        lance.write_dataset(pa.Table.from_pylist(rows, schema=MAPS), f"{self.store}/features_{self.wish.set}_maps.lance", **OPTIONS)

    def _write_map(self, segment: dict, revision: int, places: list, used: list[int]) -> dict:
        number, start, draws = (segment[name] for name in ("segment", "start", "draws"))
        name = f"features_{self.wish.set}_map_{self.plan_id}_attempt{number:04d}{revision}"
        part, row = np.array(places, np.int32).T
        schema = pa.schema([pa.field("part", pa.int32(), False), pa.field("row", pa.int32(), False)])
        lance.write_dataset(pa.table([pa.array(part), pa.array(row)], schema=schema), f"{self.store}/{name}.lance", **OPTIONS)
        tables = [{"table": self.tables[i][0], "views": self.tables[i][1]} for i in used]
        return {
            "key": f"{self.plan_id}/{number:05d}/{revision:05d}", "plan": self.plan_id, "segment": number, "revision": revision, "start": start, "draws": draws,
            "table": name, "tables_json": json.dumps(tables), "missing": int((part < 0).sum()), "created_ms": 0.0,
        }

    def drop(self, name: str) -> None:
        shutil.rmtree(f"{self.store}/{name}.lance")


MAPS = pa.schema([
    pa.field(name, kind, False) for name, kind in (
        ("key", pa.utf8()), ("plan", pa.utf8()), ("segment", pa.int32()), ("revision", pa.int32()), ("start", pa.int64()), ("draws", pa.int64()),
        ("table", pa.utf8()), ("tables_json", pa.utf8()), ("missing", pa.int64()), ("created_ms", pa.float64()),
    )
])


def add_set(store: str, spec: dict) -> None:
    kinds = [pa.field(name, kind, False) for name, kind in (("set", pa.utf8()), ("name", pa.utf8()), ("spec_json", pa.utf8()), ("created_ms", pa.float64()))]
    row = {"set": spec["set"], "name": spec["name"], "spec_json": json.dumps(spec), "created_ms": 0.0}
    mode = "append" if pathlib.Path(f"{store}/features.lance").exists() else "create"
    lance.write_dataset(pa.Table.from_pylist([row], schema=pa.schema(kinds)), f"{store}/features.lance", mode=mode, **OPTIONS)


def sylvester(size: int) -> np.ndarray:
    out = np.ones((1, 1))
    while len(out) < size:
        out = np.kron(out, [[1, 1], [1, -1]])
    return out


def encode(codec: str, x: np.ndarray) -> dict:
    if codec == "f32":
        return {"": x, "numbers": x}
    if codec == "f16":
        return {"": x.astype(np.float16), "numbers": x.astype(np.float16).astype(np.float32)}
    if codec == "bf16":
        bits = x.view(np.uint32).astype(np.uint64)
        kept = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
        return {"": kept, "numbers": (kept.astype(np.uint32) << 16).view(np.float32)}
    bulk, side = x.astype(np.float64), np.empty((*x.shape[:3], 2), np.float16)
    for tap, channels in enumerate(OUTLIERS):
        side[:, tap] = x[:, tap][..., channels]
        bulk[:, tap][..., channels] = 0
    turn = np.kron(np.eye(HIDDEN // BLOCK), sylvester(BLOCK)) / np.sqrt(BLOCK)
    turned = (bulk * SIGNS) @ turn
    scale = (np.abs(turned).max(-1) / 127).astype(np.float16)
    values = np.clip(np.rint(turned / scale[..., None].astype(np.float64)), -127, 127).astype(np.int8)
    numbers = ((values * scale[..., None].astype(np.float64)) @ turn) * SIGNS
    for tap, channels in enumerate(OUTLIERS):
        numbers[:, tap][..., channels] = side[:, tap]
    return {"": values, "_scale": scale, "_side": side, "numbers": numbers}


def checksum(row: dict, parts: list[str]) -> int:
    """xxh3-64 over the digests of a row's parts: view by view values, scale, side."""
    if xxhash is None:
        return 0
    digests = [xxhash.xxh3_64_intdigest(row[part][v].tobytes()) for v in range(len(row[""])) for part in parts]
    found = xxhash.xxh3_64_intdigest(b"".join(one.to_bytes(8, "little") for one in digests))
    return found - 2**64 if found >= 2**63 else found
