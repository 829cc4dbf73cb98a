#!/usr/bin/env python3
"""A store with enough rows to measure readers, written with pylance alone: one dataset, a plan of one pass, its shards.

    python make_store.py STORE [--rows 20480] [--shard 4096]

Two 256x256 JPEGs of 15-25 KB a row (q95 4:4:4), actions of 320 floats (one arm, 32 steps). Pictures are 512 different
ones, each with its number in a comment segment, so that no two rows hold equal bytes and no page compresses away.
"""
from __future__ import annotations

import argparse
import datetime
import hashlib
import io
import json
import pathlib
import shutil
import sys

import lance
import numpy as np
import pyarrow as pa
import xxhash
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "clients/python"))
from robot_prep.order import PlanOrder, draw_seed  # noqa: E402

EPISODE = 128
PLAN = "be9c00000001"
ROLES = ["third", "wrist"]
OPTIONS = {"data_storage_version": "2.2", "enable_stable_row_ids": True}


def pictures(count: int, rng: np.random.Generator) -> list[bytes]:
    """Smooth colour fields with some texture: as heavy as camera pictures."""
    out = []
    for _ in range(count):
        small = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        field = np.asarray(Image.fromarray(small).resize((256, 256), Image.BICUBIC), np.float32)
        grain = np.asarray(Image.fromarray(rng.integers(0, 256, (128, 128), dtype=np.uint8)).resize((256, 256)), np.float32)
        picture = np.clip(field + (grain[..., None] - 128) * rng.uniform(0.01, 0.05), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=95, subsampling=0)
        out.append(file.getvalue())
    return out


def marked(jpeg: bytes, number: int) -> bytes:
    """The same picture with its own bytes: a comment segment after the first marker."""
    return jpeg[:2] + b"\xff\xfe\x00\x0a" + number.to_bytes(8, "big") + jpeg[2:]


def metadata() -> dict:
    names = {f"{role}_{what}": 4 * i + j for i, role in enumerate(["third", "third2", "wrist", "wrist2"])
             for j, what in enumerate(["image", "intrinsics", "rotation", "translation"])}
    return {
        "dataset": "bench", "arms": ["arm"], "roles": {"third": ["a"], "wrist": ["b"]}, "chunk": {"steps": 32, "dt": 1 / 15},
        "robots": {"robot": {"arms": 1, "roles": ROLES, "hz": 15, "clock": "index", "ee_origin": "flange", "eeFromTool": None}},
        "reference": "third", "tool": "native", "rot6d": "rows", "row_version": 1, "present": {**names, "arm_0": 16, "arm_1": 17, "history": 20},
        "flags": {}, "image": {"width": 256, "height": 256}, "fingerprint": {"pixels": "p" * 32, "labels": "l" * 32},
    }


def compacted(path: pathlib.Path) -> None:
    """One fragment, and no older version of it on the disk."""
    table = lance.dataset(str(path))
    table.optimize.compact_files()
    table.cleanup_old_versions(older_than=datetime.timedelta(0), delete_unverified=True)


def fixed(values: np.ndarray) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    field = pa.field("item", flat.type, False)
    return pa.FixedSizeListArray.from_arrays(flat, type=pa.list_(field, values.shape[1]))


def step_rows(first: int, count: int, jpegs: list[bytes], keys: np.ndarray, rng) -> dict:
    row = np.arange(first, first + count)
    numbers = lambda width: fixed(rng.normal(0, 1, (count, width)).astype(np.float32))
    rotation = np.tile(np.array([0, 0, 0, 1, 0, 0, 0, 1, 0, 0], np.float32), (count, 1))
    camera = np.tile(np.array([200, 200, 127.5, 127.5, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1], np.float32), (count, 2))
    pictures = [[marked(jpegs[(2 * r + view) % len(jpegs)], 2 * r + view) for r in row.tolist()] for view in (0, 1)]
    hashes = np.array([[xxhash.xxh3_64_intdigest(one) for one in view] for view in pictures], np.uint64).T.copy().view(np.int64)
    return {
        "episode": pa.array([f"episode/{r // EPISODE}" for r in row]),
        "step": pa.array((row % EPISODE).astype(np.int32)),
        "episode_key": pa.array(keys[row // EPISODE]),
        "group": pa.array(np.ones(count, np.int64)),
        "time": pa.array(row % EPISODE / 15.0),
        "robot": pa.array(["robot"] * count),
        "third": pa.array(["a"] * count),
        "instruction": pa.array([f"put the cup number {r // EPISODE} on the plate" for r in row]),
        "image_third": pa.array(pictures[0], pa.binary()), "image_wrist": pa.array(pictures[1], pa.binary()),
        "action": numbers(320), "action_valid": pa.array(np.minimum(32, EPISODE - 1 - row % EPISODE).astype(np.int16)),
        "history": fixed(rotation), "proprio": fixed(rotation), "camera": fixed(camera),
        "image_hash": fixed(hashes), "present": pa.array(np.full(count, 0x110F0F, np.int32)),
        "flags": pa.array(np.zeros(count, np.int32)),
    }


def strict(columns: dict, metadata: dict | None = None) -> pa.Table:
    fields = [pa.field(name, column.type, False) for name, column in columns.items()]
    info = None if metadata is None else {"prep": json.dumps(metadata)}
    return pa.table(list(columns.values()), schema=pa.schema(fields, metadata=info))


def segment(rows: int) -> dict:
    piece = {"domain": 0, "pass": 0, "from": 0, "count": rows}
    return {"plan": PLAN, "segment": 0, "start": 0, "draws": rows, "seed": 11, "turn": 0, "domains": {"0": rows},
            "entries": [{"name": "bench", "dataset": "bench", "weight": 1, "runs": [{"draws": rows, "repeat": 1, "pieces": [piece]}],
                         "after": [{"domain": 0, "size": rows, "pass": 0, "cursor": rows}]}]}


def write_plan(store: pathlib.Path, rows: int, keys: np.ndarray) -> dict:
    harmony = {"arms": 1, "roles": ROLES, "steps": 32, "dt": 1 / 15, "reference": "third", "tool": "native", "rot6d": "rows"}
    text = lambda value: pa.array([json.dumps(value)])
    lance.write_dataset(strict({
        "key": pa.array([f"{PLAN}/0"]), "plan": pa.array([PLAN]), "segment": pa.array([0], pa.int32()), "version": pa.array([1], pa.int32()),
        "start": pa.array([0], pa.int64()), "draws": pa.array([rows], pa.int64()), "domain_attempt": pa.array([1], pa.int64()),
        "segment_json": text(segment(rows)), "mixture_json": text({"maskLanguage": False, "trainsVlm": False}), "harmony_json": text(harmony),
        "report_json": text({}), "created_ms": pa.array([0.0]),
    }), str(store / "plans.lance"), **OPTIONS)
    ordered = np.sort(keys)
    count = len(keys)
    lance.write_dataset(strict({
        "attempt": pa.array(np.ones(count, np.int64)), "domain": pa.array(np.zeros(count, np.int32)), "episode_key": pa.array(ordered),
        "start": pa.array(np.zeros(count, np.int32)), "end": pa.array(np.full(count, EPISODE, np.int32)),
    }), str(store / f"plan_{PLAN}_domain.lance"), **OPTIONS)
    return harmony


def write_ledger(store: pathlib.Path, keys: np.ndarray) -> None:
    count = len(keys)
    lists = pa.array([[f"put the cup number {i} on the plate"] for i in range(count)], pa.list_(pa.field("item", pa.utf8(), False)))
    lance.write_dataset(strict({
        "episode": pa.array([f"episode/{i}" for i in range(count)]), "episode_key": pa.array(keys),
        "length": pa.array(np.full(count, EPISODE, np.int32)), "rows": pa.array(np.full(count, EPISODE, np.int32)),
        "first_row": pa.array(np.arange(count, dtype=np.int64) * EPISODE), "group": pa.array(np.ones(count, np.int64)),
        "robot": pa.array(["robot"] * count), "hz": pa.array(np.full(count, 15.0)), "instructions": lists,
        "state": pa.array(["kept"] * count), "attempt": pa.array(np.ones(count, np.int32)),
    }), str(store / "bench_episodes.lance"), **OPTIONS)


def write_shards(store: pathlib.Path, rows: int, per_shard: int, keys: np.ndarray, harmony: dict) -> None:
    steps = lance.dataset(str(store / "bench_steps.lance"))
    order = PlanOrder([segment(rows)])
    ordered, of_key = np.sort(keys), np.argsort(keys)
    print_of = {"bench": {"labels": "l" * 32, "pixels": "p" * 32}}
    fingerprint = hashlib.sha256(json.dumps(print_of, separators=(",", ":")).encode()).hexdigest()[:32]
    meta = {"plan": PLAN, "harmony": harmony, "fingerprint": fingerprint, "datasets": {"bench": metadata()}, "row_version": 1}
    index = []
    for shard in range(-(-rows // per_shard)):
        start = shard * per_shard
        draws = np.arange(start, min(rows, start + per_shard))
        _, _, _, ordinal = order.at(draws)
        row = of_key[ordinal // EPISODE] * EPISODE + ordinal % EPISODE
        name, hash_ = f"shards_{PLAN}_{shard:05d}_a", hashlib.sha256()
        for from_ in range(0, len(draws), 1024):
            at = slice(from_, from_ + 1024)
            count = len(draws[at])
            lists = pa.array([["put"]] * count, pa.list_(pa.field("item", pa.utf8(), False)))
            taken = steps.take(row[at].tolist()).combine_chunks()
            columns = {"dataset": pa.array(["bench"] * count), "draw": pa.array(draws[at]), "seed": pa.array(draw_seed(11, draws[at])),
                       "reference": pa.array(np.zeros(count, np.int8)), "instructions": lists, "hz": pa.array(np.full(count, 15, np.float32)),
                       **{name: taken[name].chunk(0) for name in taken.column_names}}
            pairs = np.empty(count, np.dtype([("key", "<i8"), ("step", "<i4")]))
            pairs["key"], pairs["step"] = ordered[ordinal[at] // EPISODE], ordinal[at] % EPISODE
            hash_.update(pairs.tobytes())
            lance.write_dataset(strict(columns, meta), str(store / f"{name}.lance"), mode="append" if from_ else "create", **OPTIONS)
        compacted(store / f"{name}.lance")
        index.append((f"{PLAN}/{shard:05d}", PLAN, shard, start, len(draws), name, hash_.hexdigest(), fingerprint, 0.0))
    key, plan, shard, start, draws, table, order_hash, prints, created = zip(*index)
    lance.write_dataset(strict({
        "key": pa.array(key), "plan": pa.array(plan), "shard": pa.array(shard, pa.int32()), "start": pa.array(start, pa.int64()),
        "draws": pa.array(draws, pa.int64()), "table": pa.array(table), "order_hash": pa.array(order_hash), "fingerprint": pa.array(prints),
        "created_ms": pa.array(created, pa.float64()),
    }), str(store / f"shards_{PLAN}.lance"), **OPTIONS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("store", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=20_480)
    parser.add_argument("--shard", type=int, default=4_096)
    options = parser.parse_args()
    shutil.rmtree(options.store, ignore_errors=True)
    options.store.mkdir(parents=True)
    rng = np.random.default_rng(1)
    jpegs = pictures(512, rng)
    count = options.rows // EPISODE
    keys = rng.choice(2**62, count, replace=False).astype(np.int64)
    for first in range(0, options.rows, 1024):
        rows = strict(step_rows(first, min(1024, options.rows - first), jpegs, keys, rng), metadata())
        lance.write_dataset(rows, str(options.store / "bench_steps.lance"), mode="append" if first else "create", **OPTIONS)
    compacted(options.store / "bench_steps.lance")
    write_ledger(options.store, keys)
    harmony = write_plan(options.store, options.rows, keys)
    write_shards(options.store, options.rows, options.shard, keys, harmony)
    print(json.dumps({"store": str(options.store), "plan": PLAN, "rows": options.rows, "mean_jpeg_bytes": int(np.mean([len(j) for j in jpegs]))}))


if __name__ == "__main__":
    main()
