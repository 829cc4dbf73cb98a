"""Stores for the tests: PREP_TEST_STORE and PREP_TEST_PLAN name one that the command line made; shards are written here from the spec."""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import tempfile

import lance
import numpy as np
import pyarrow as pa

from robot_prep import PrepDataset
from robot_prep.harmony import ROLES
from robot_prep.shards import fingerprint_of

STORE, PLAN = os.environ.get("PREP_TEST_STORE"), os.environ.get("PREP_TEST_PLAN")
NO_STORE = "no store: the vitest file makes one and names it in PREP_TEST_STORE"
OPTIONS = {"data_storage_version": "2.2", "enable_stable_row_ids": True}
_copies: list[tempfile.TemporaryDirectory] = []


def copy_of_store() -> str:
    folder = tempfile.TemporaryDirectory()
    _copies.append(folder)
    shutil.copytree(STORE, pathlib.Path(folder.name) / "store")
    return str(pathlib.Path(folder.name) / "store")


def _fixed(values: np.ndarray) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, type=pa.list_(pa.field("item", flat.type, False), values[0].size))


def write_shards(store: str, plan: str, size: int, fingerprint: str | None = None) -> list[str]:
    """Training shards of the whole plan as the conventions describe them, from the rows at random. Returns their tables."""
    data = PrepDataset(store, plan, 1, source="plan", decode=False, instruction="draw")
    rows_of, known = data._rows, {name: data._tables.metadata(f"{name}_steps") for name in data.plan.datasets}
    rows_of.names |= {"camera", "action_valid"}
    meta = {"plan": plan, "harmony": data.harmony, "row_version": 1, "datasets": known}
    index, text = [], lambda values: pa.array(values, pa.utf8())
    for shard, start in enumerate(range(0, data.plan.draws, size)):
        draws = np.arange(start, min(start + size, data.plan.draws))
        rows = rows_of.read(draws)
        columns = {
            "dataset": text([data.plan.datasets[i] for i in rows["dataset_index"]]), "draw": pa.array(draws), "seed": pa.array(data.plan.seeds(draws)),
            "reference": pa.array(np.zeros(len(draws), np.int8)),
            "instructions": pa.array(rows["instructions"], pa.list_(pa.field("item", pa.utf8(), False))), "hz": pa.array(rows["hz"]),
            "episode_key": pa.array(rows["episode_key"]), "step": pa.array(rows["step"].astype(np.int32)),
            "robot": text(rows["robot"]), "instruction": text(rows["instruction"]),
            **{f"image_{role}": pa.array([bytes(one) for one in rows[f"image_{role}"]], pa.binary()) for role in data.harmony["roles"]},
            **{name: _fixed(rows[name]) for name in ("action", "history", "proprio", "camera")},
            "image_hash": _fixed(image_hashes(store, data.plan, data.harmony["roles"], draws)), "action_valid": pa.array(rows["action_valid"]), "present": pa.array(rows["present"]),
        }
        fields = [pa.field(name, column.type, False) for name, column in columns.items()]
        name = f"shards_{plan}_{shard:05d}_test"
        lance.write_dataset(pa.table(list(columns.values()), schema=pa.schema(fields, {"prep": json.dumps(meta)})), f"{store}/{name}.lance", **OPTIONS)
        digest = hashlib.sha256(b"".join(int(k).to_bytes(8, "little", signed=True) + int(s).to_bytes(4, "little", signed=True) for k, s in zip(rows["episode_key"], rows["step"])))
        index.append((f"{plan}/{shard:05d}", plan, shard, start, len(draws), name, digest.hexdigest(), fingerprint or fingerprint_of(known), 0.0))
    write_index(store, plan, index)
    return [row[5] for row in index]


def image_hashes(store: str, plan, roles: list[str], draws: np.ndarray) -> np.ndarray:
    """int64 [draws, roles] from the step tables themselves, 0 where there is no picture."""
    known: dict = {}
    for dataset in plan.datasets:
        steps = lance.dataset(f"{store}/{dataset}_steps.lance")
        own = [role for role in ROLES if role in json.loads(steps.schema.metadata[b"prep"])["roles"]]
        for row in steps.to_table(columns=["episode_key", "step", "image_hash"]).to_pylist():
            found = dict(zip(own, row["image_hash"]))
            known[dataset, row["episode_key"], row["step"]] = [found.get(role, 0) for role in roles]
    which, key, step = plan.place(draws)
    return np.array([known[plan.datasets[w], k, s] for w, k, s in zip(which.tolist(), key.tolist(), step.tolist())], np.int64)


def write_index(store: str, plan: str, rows: list[tuple]) -> None:
    kinds = {"key": pa.utf8(), "plan": pa.utf8(), "shard": pa.int32(), "start": pa.int64(), "draws": pa.int64(), "table": pa.utf8(), "order_hash": pa.utf8(), "fingerprint": pa.utf8(), "created_ms": pa.float64()}
    table = pa.table({name: pa.array(values, kind) for (name, kind), values in zip(kinds.items(), zip(*rows))})
    lance.write_dataset(table, f"{store}/shards_{plan}.lance", mode="overwrite" if pathlib.Path(f"{store}/shards_{plan}.lance").exists() else "create", **OPTIONS)


def fill_with_nan(store: str, dataset: str) -> None:
    """Every number of a step table becomes NaN, bits and all else stay: the worst that a store can hold."""
    path = f"{store}/{dataset}_steps.lance"
    table = lance.dataset(path).to_table()
    for name in ("action", "history", "proprio", "camera"):
        values = np.full((table.num_rows, table[name].type.list_size), np.nan, np.float32)
        column = _fixed(values)
        table = table.set_column(table.column_names.index(name), pa.field(name, column.type, False), column)
    shutil.rmtree(path)
    lance.write_dataset(table, path, **OPTIONS)


def equal(a: dict, b: dict) -> list[str]:
    """Keys in which two batches differ, to the bit."""
    def same(x, y):
        x, y = (np.ascontiguousarray(v) if hasattr(v, "dtype") else v for v in (x, y))
        return x == y if isinstance(x, list) else x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    return sorted(set(a) ^ set(b)) + [name for name in a if name in b and not same(a[name], b[name])]


def joined(parts: list[dict]) -> dict:
    return {name: sum((p[name] for p in parts), []) if isinstance(parts[0][name], list) else np.concatenate([p[name] for p in parts]) for name in parts[0]}
