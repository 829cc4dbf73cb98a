#!/usr/bin/env python3
"""What a row costs to read: prep's client and other loaders on the same rows, each case in a process of its own.

    python make_store.py STORE
    python run.py STORE [--rounds 3] [--rows 8192] [--out results.json] [--only prep]

CPU is user + system time of the process, its threads and its workers, without imports and the first five batches; rows
per second is the wall time of the same stretch. Resume is the time from the constructor to the first batch at 50 %.
Loaders that are not installed are named and left out; what they read is written once beside the store.
"""
from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "clients/python"))
BATCH, PLAN = 256, "be9c00000001"
NUMBERS = ("action", "history", "proprio", "camera")
COLUMNS = ["image_third", "image_wrist", "action", "action_valid", "history", "proprio", "camera", "present", "instruction", "robot"]


# The same rows for the others: in draw order, as the shards hold them.

def shard_rows(store: str):
    import glob

    import lance

    for path in sorted(glob.glob(f"{store}/shards_{PLAN}_0*.lance")):
        for batch in lance.dataset(path).to_batches(columns=COLUMNS, batch_size=256):
            columns = {name: batch.column(name) for name in COLUMNS}
            arrays = {name: columns[name].flatten().to_numpy().reshape(batch.num_rows, -1) for name in NUMBERS}
            for i in range(batch.num_rows):
                yield {**{n: columns[n][i].as_py() for n in COLUMNS if n not in NUMBERS}, **{n: arrays[n][i] for n in NUMBERS}}


def prepare(store: str, name: str) -> pathlib.Path:
    out = pathlib.Path(store).parent / f"{pathlib.Path(store).name}_{name}"
    if not (out / "done").exists():
        out.mkdir(parents=True, exist_ok=True)
        {"mds": write_mds, "webdataset": write_webdataset, "hf": write_hf, "lancedb": write_lancedb}[name](store, out)
        (out / "done").touch()
    return out


def write_mds(store: str, out: pathlib.Path) -> None:
    from streaming import MDSWriter

    kinds = {"image_third": "bytes", "image_wrist": "bytes", "action_valid": "int", "present": "int", "instruction": "str", "robot": "str", **{n: "ndarray:float32" for n in NUMBERS}}
    with MDSWriter(out=str(out / "data"), columns=kinds) as writer:
        for row in shard_rows(store):
            writer.write(row)


def write_webdataset(store: str, out: pathlib.Path) -> None:
    import webdataset

    with webdataset.ShardWriter(str(out / "%05d.tar"), maxcount=4096, verbose=0) as writer:
        for i, row in enumerate(shard_rows(store)):
            text = {n: row[n] for n in ("action_valid", "present", "instruction", "robot")}
            writer.write({"__key__": f"{i:09d}", "third.jpg": row["image_third"], "wrist.jpg": row["image_wrist"], "meta.json": json.dumps(text), **{f"{n}.bin": row[n].tobytes() for n in NUMBERS}})


def write_hf(store: str, out: pathlib.Path) -> None:
    from datasets import Dataset, Features, Sequence, Value

    sizes = {"action": 320, "history": 10, "proprio": 10, "camera": 32}
    features = Features({**{n: Value("binary") for n in COLUMNS[:2]}, "action_valid": Value("int16"), "present": Value("int32"), "instruction": Value("string"), "robot": Value("string"), **{n: Sequence(Value("float32"), s) for n, s in sizes.items()}})
    Dataset.from_generator(shard_rows, gen_kwargs={"store": store}, features=features, cache_dir=str(out / "cache")).save_to_disk(str(out / "data"))


def write_lancedb(store: str, out: pathlib.Path) -> None:
    import glob

    import lance
    import lancedb

    paths = sorted(glob.glob(f"{store}/shards_{PLAN}_0*.lance"))
    # LanceDB's permutation of a table with metadata in its schema panics: see README.md.
    schema = lance.dataset(paths[0]).scanner(columns=COLUMNS).projected_schema.remove_metadata()
    batches = (batch.replace_schema_metadata(None) for path in paths for batch in lance.dataset(path).to_batches(columns=COLUMNS, batch_size=1024))
    lancedb.connect(str(out)).create_table("rows", data=batches, schema=schema)


# Each returns an iterator over batches of 256 rows; decode says whether pictures become arrays.

def read_prep(store: str, source: str, decode: bool, workers: int, start: int):
    from robot_prep import PrepDataset

    return PrepDataset(store, PLAN, BATCH, start_step=start, source=source, decode=decode).loader(workers=workers)


def collate(rows: list, decode: bool) -> dict:
    import numpy as np
    from robot_prep.images import decode_views

    batch = {n: [row[n] for row in rows] for n in COLUMNS}
    for name in NUMBERS:
        batch[name] = np.stack([np.asarray(one, np.float32) for one in batch[name]])
    if decode:
        # The same decoding for all, into memory that is used again: what is compared is the reading.
        batch["image"] = decode_views([batch.pop(name) for name in COLUMNS[:2]], 256, 256)
    return batch


class Collate:
    def __init__(self, decode: bool):
        self.decode = decode

    def __call__(self, rows):
        return collate(rows, self.decode)


def batched(rows, size: int, decode: bool):
    held = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield collate(held, decode)
            held = []


def read_mds(store: str, decode: bool, workers: int, start: int):
    import streaming
    import streaming.base.util as util
    from torch.utils.data import DataLoader

    util.clean_stale_shared_memory()
    data = streaming.StreamingDataset(local=str(prepare(store, "mds") / "data"), shuffle=False, batch_size=BATCH)
    if start:
        data.load_state_dict({"epoch": 0, "sample_in_epoch": start * BATCH, "num_canonical_nodes": 1, "shuffle_seed": 9176, "initial_physical_nodes": 1})
    return iter(DataLoader(data, batch_size=BATCH, num_workers=workers, collate_fn=Collate(decode)))


def webdataset_row(one: dict) -> dict:
    import numpy as np

    return {**json.loads(one["meta.json"]), "image_third": one["third.jpg"], "image_wrist": one["wrist.jpg"], **{n: np.frombuffer(one[f"{n}.bin"], np.float32) for n in NUMBERS}}


def read_webdataset(store: str, decode: bool, workers: int, start: int):
    import webdataset
    from torch.utils.data import DataLoader

    urls = sorted(str(p) for p in prepare(store, "webdataset").glob("*.tar"))
    rows = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).map(webdataset_row)
    return iter(DataLoader(rows.batched(BATCH, collation_fn=Collate(decode)), batch_size=None, num_workers=workers))


def read_hf(store: str, decode: bool, workers: int, start: int):
    from datasets import load_from_disk
    from torch.utils.data import DataLoader

    data = load_from_disk(str(prepare(store, "hf") / "data")).with_format("numpy", columns=list(NUMBERS), output_all_columns=True)
    if start:
        data = data.select(range(start * BATCH, len(data)))
    return iter(DataLoader(data, batch_size=BATCH, num_workers=workers, collate_fn=Collate(decode)))


def lancedb_rows(batch) -> list[dict]:
    """Rows of a record batch with numbers as arrays: LanceDB's own dictionaries make a Python object of every number."""
    arrays = {name: batch.column(name).flatten().to_numpy().reshape(batch.num_rows, -1) for name in NUMBERS}
    plain = {name: batch.column(name).to_pylist() for name in COLUMNS if name not in NUMBERS}
    return [{**{n: values[i] for n, values in plain.items()}, **{n: values[i] for n, values in arrays.items()}} for i in range(batch.num_rows)]


def read_lancedb(store: str, source: str, decode: bool, workers: int, start: int):
    import lancedb
    from lancedb.streaming import StreamingDataLoader, StreamingDataset

    table, splits = lancedb.connect(str(prepare(store, "lancedb"))).open_table("rows"), max(1, workers)
    data = StreamingDataset(table, shuffle=source == "plan", num_splits=splits, read_batch_size=BATCH, columns=COLUMNS, transform=lancedb_rows, transform_queue_depth=2)
    if start:
        data.load_state_dict({"num_splits": splits, "shuffle_seed": 0, "samples_consumed_per_split": [start * BATCH // splits] * splits})
    spawned = {"multiprocessing_context": "spawn"} if workers else {}
    return iter(StreamingDataLoader(data, batch_size=BATCH, num_workers=workers, collate_fn=Collate(decode), **spawned))


def read_pylance(store: str, source: str, start: int):
    """The floor: takes of the same columns, nothing made of them, each held until the next is there."""
    import glob

    import lance
    import numpy as np

    if source == "shards":
        tables = [lance.dataset(path) for path in sorted(glob.glob(f"{store}/shards_{PLAN}_0*.lance"))]
        for table in tables:
            for first in range(0, table.count_rows(), BATCH):
                yield table.take(list(range(first, min(first + BATCH, table.count_rows()))), columns=COLUMNS)
    else:
        table = lance.dataset(f"{store}/bench_steps.lance")
        order = np.random.default_rng(0).permutation(table.count_rows())
        for first in range(0, len(order), BATCH):
            yield table.take(np.sort(order[first : first + BATCH]).tolist(), columns=COLUMNS)


def turbojpeg_alone(store: str):
    """Two views of each row, decoded one after the other, results dropped."""
    import simplejpeg

    pictures = []
    for i, row in enumerate(shard_rows(store)):
        if i == 1024:
            break
        pictures += [row["image_third"], row["image_wrist"]]
    while True:
        for first in range(0, len(pictures), 2 * BATCH):
            for one in pictures[first : first + 2 * BATCH]:
                simplejpeg.decode_jpeg(one, "RGB")
            yield {"draw": range(BATCH)}


def open_case(store: str, case: dict):
    name, decode, workers, start = case["loader"], case["decode"], case["workers"], case.get("start", 0)
    if name in ("prep shards", "prep plan"):
        return iter(read_prep(store, name.split()[1], decode, workers, start))
    if name.startswith("pylance"):
        return read_pylance(store, name.split()[1], start)
    if name == "turbojpeg":
        return turbojpeg_alone(store)
    if name.startswith("lancedb"):
        return read_lancedb(store, name.split()[1], decode, workers, start)
    return {"mds": read_mds, "webdataset": read_webdataset, "hf": read_hf}[name](store, decode, workers, start)


IMPORTS = {"mds": "streaming", "webdataset": "webdataset", "hf": "datasets", "lancedb": "lancedb.streaming", "pylance": "lance", "prep": "robot_prep", "turbojpeg": "simplejpeg"}


def cpu_of(pids: list[int]) -> float:
    """CPU seconds so far of this process and living workers."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    total, tick = own.ru_utime + own.ru_stime, os.sysconf("SC_CLK_TCK")
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / tick
    return total


def measure(store: str, case: dict, rows: int) -> dict:
    __import__(IMPORTS[case["loader"].split()[0]])
    if case["workers"]:
        import torch.utils.data  # noqa: F401
    began = time.perf_counter()
    batches = open_case(store, case)
    next(batches)
    first = time.perf_counter() - began
    pids = [child.pid for child in multiprocessing.active_children()] if case["workers"] else []
    if not case.get("start"):
        # Memory is fresh in the first batches, and what workers had read ahead is not of this stretch.
        for _ in range(4):
            next(batches)
    before, wall, count = cpu_of(pids), time.perf_counter(), 0
    for _ in batches:
        count += BATCH
        if count >= rows or case.get("start"):
            break
    cpu, wall = cpu_of(pids) - before, time.perf_counter() - wall
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    for pid in pids:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) / 1024)
    return {"cpu_per_1000": 1000 * cpu / count, "rows_per_second": count / wall, "first_batch_s": first, "peak_mb": peak}


def cases(only: str | None) -> list[dict]:
    out = [{"loader": name, "decode": False, "workers": 0} for name in ("pylance shards", "pylance plan", "turbojpeg")]
    for loader in ("prep shards", "prep plan", "mds", "webdataset", "hf", "lancedb shards", "lancedb plan"):
        for decode in (False, True):
            for workers in (0, 2):
                out.append({"loader": loader, "decode": decode, "workers": workers})
        if loader != "webdataset":
            out.append({"loader": loader, "decode": False, "workers": 0, "start": 40})
    wanted = None if only is None else only.split(",")
    return [case for case in out if wanted is None or any(name in case["loader"] for name in wanted)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--only", help="names of loaders, with commas between")
    parser.add_argument("--workers", type=int, help="only with so many workers")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--prepare", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.store, options.prepare)
        return
    if options.case:
        print(json.dumps(measure(options.store, json.loads(options.case), options.rows)))
        return
    for name in ("mds", "webdataset", "hf", "lancedb"):
        if options.only is None or name in options.only:
            subprocess.run([sys.executable, __file__, options.store, "--prepare", name], stderr=subprocess.DEVNULL)
    results: dict[str, list] = {}
    loads = [os.getloadavg()]
    for round_ in range(options.rounds):
        for case in cases(options.only):
            if options.workers not in (None, case["workers"]):
                continue
            key = json.dumps(case)
            # In rounds, so that a busy minute does not fall on one loader alone. With decoding, half of the rows do.
            rows = options.rows // 2 if case["decode"] else options.rows
            words = [sys.executable, __file__, options.store, "--case", key, "--rows", str(rows)]
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["?"])[-1]
                print(f"{case}: left out: {last}", file=sys.stderr)
                continue
            results.setdefault(key, []).append(json.loads(done.stdout.strip().splitlines()[-1]))
    table = []
    for key, values in results.items():
        case = json.loads(key)
        middle = {name: statistics.median(one[name] for one in values) for name in values[0]}
        spread = [min(one["cpu_per_1000"] for one in values), max(one["cpu_per_1000"] for one in values)]
        table.append({**case, **{name: round(value, 4) for name, value in middle.items()}, "cpu_range": [round(x, 4) for x in spread], "rounds": len(values)})
        print(
            f"{case['loader']:15} {'decode' if case['decode'] else 'bytes':6} {case['workers']} workers{' resume' if case.get('start') else '       '}"
            f"  {middle['cpu_per_1000']:.3f} ({spread[0]:.3f} ... {spread[1]:.3f}) CPU-s/1000  {middle['rows_per_second']:7.0f} rows/s"
            f"  first batch {middle['first_batch_s']:.3f} s  {middle['peak_mb']:.0f} MB"
        )
    ratios = against_the_limit(table)
    for name, value in ratios.items():
        print(f"{name}: {value}")
    if options.out:
        load = {"before": loads[0], "after": os.getloadavg()}
        text = {"batch": BATCH, "cpus": os.cpu_count(), "load": load, "ratios": ratios, "results": table}
        options.out.write_text(json.dumps(text, indent=1) + "\n")


def against_the_limit(table: list[dict]) -> dict:
    """Decoded batches against turbojpeg alone, and against turbojpeg and bare pylance's takes of the same run: what reading and decoding cost before us."""
    cpu = {(row["loader"], row["decode"], row["workers"]): row["cpu_per_1000"] for row in table if not row.get("start")}
    alone, out = cpu.get(("turbojpeg", False, 0)), {}
    for source in ("shards", "plan"):
        mine, takes = cpu.get((f"prep {source}", True, 0)), cpu.get((f"pylance {source}", False, 0))
        if mine and alone:
            out[f"prep {source} / turbojpeg"] = round(mine / alone, 3)
        if mine and alone and takes:
            out[f"(turbojpeg + takes {source}) / turbojpeg"] = round((alone + takes) / alone, 3)
            out[f"prep {source} / (turbojpeg + takes)"] = round(mine / (alone + takes), 3)
    return out


if __name__ == "__main__":
    main()
