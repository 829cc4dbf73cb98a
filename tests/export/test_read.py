"""Reads an export with the reference readers and compares every number, bit for bit, with the store's own rows.

usage: test_read.py FORMAT EXPORT DUMP [LIBRARY]
DUMP is what `rows.ts` wrote of the same rows: rows.json (texts, integers as decimal text) and one raw file per array.
Prints `N problems, M rows by LIBRARY`.
"""

import io
import json
import os
import sys
import tarfile

import numpy as np

FORMAT, EXPORT, DUMP, LIBRARY = sys.argv[1:5]
problems = []


def check(what, found, expected):
    if found != expected and len(problems) < 20:
        problems.append(f"{what}: {str(found)[:120]} instead of {str(expected)[:120]}")


def bits(array):
    """Bytes, so that NaN equals NaN and -0 differs from 0."""
    return np.ascontiguousarray(array).tobytes()


with open(f"{DUMP}/rows.json") as file:
    wanted = json.load(file)
ARRAYS = {name: np.dtype(dtype) for name, dtype in wanted["arrays"].items()}
shapes = wanted["shapes"]
numbers = {
    name: np.fromfile(f"{DUMP}/{name}.bin", dtype).reshape([wanted["count"], *shapes[name]])
    for name, dtype in ARRAYS.items()
}
jpegs = {role: wanted["images"][role] for role in wanted["roles"]}  # hex sha-256, "" where absent
INTEGERS = ["draw", "seed", "reference", "step", "episode_key", "action_valid", "present", "flags"]
TEXTS = ["dataset", "episode", "robot", "third", "instruction"]
integers = {name: [int(x) for x in wanted[name]] for name in INTEGERS if name in wanted}


def digest(data):
    import hashlib

    return hashlib.sha256(data).hexdigest() if len(data) else ""


def compare(at, row):
    """One sample: names of the conventions, arrays as numpy, pictures as bytes."""
    for name in ARRAYS:
        check(f"row {at} {name} dtype", row[name].dtype.str, ARRAYS[name].str)
        check(f"row {at} {name} shape", list(row[name].shape), shapes[name])
        check(f"row {at} {name}", bits(row[name]), bits(numbers[name][at]))
    for role in wanted["roles"]:
        check(f"row {at} {role}", digest(row["image"].get(role, b"")), jpegs[role][at])
    for name, values in integers.items():
        check(f"row {at} {name}", int(row[name]), values[at])
    for name in TEXTS:
        check(f"row {at} {name}", row[name], wanted[name][at])
    check(f"row {at} instructions", list(row["instructions"]), wanted["instructions"][at])
    check(f"row {at} time", bits(np.float64(row["time"])), bits(np.float64(wanted["time"][at])))
    check(f"row {at} hz", bits(np.float32(row["hz"])), bits(np.float32(wanted["hz"][at])))


def webdataset_rows():
    if LIBRARY == "webdataset":
        import webdataset as wds

        urls = [f"{EXPORT}/{shard['url']}" for shard in json.load(open(f"{EXPORT}/index.json"))["shardlist"]]
        for sample in wds.WebDataset(urls, shardshuffle=False):
            yield sample["__key__"], {name: data for name, data in sample.items() if not name.startswith("__")}
        return
    with open(f"{EXPORT}/index.json") as file:
        index = json.load(file)
    check("kind", index["__kind__"], "wids-shard-index-v1")
    for shard in index["shardlist"]:
        path = f"{EXPORT}/{shard['url']}"
        check(f"{path} size", os.path.getsize(path), shard["filesize"])
        key, sample, count = None, {}, 0
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                check(f"{member.name} time and owner", (member.mtime, member.uid, member.gid, member.mode), (0, 0, 0, 0o644))
                start, ending = member.name.split(".", 1)
                if start != key and key is not None:
                    count += 1
                    yield key, sample
                    sample = {}
                key = start
                sample[ending] = tar.extractfile(member).read()
        count += 1
        yield key, sample
        check(f"{path} samples", count, shard["nsamples"])


def webdataset():
    at = -1
    for at, (key, sample) in enumerate(webdataset_rows()):
        check(f"row {at} key", int(key), integers["draw"][at] if "draw" in integers else at)
        check(f"row {at} pictures without bytes", [name for name in sample if not sample[name]], [])
        row = json.loads(sample["json"])
        row["image"] = {name[:-4]: data for name, data in sample.items() if name.endswith(".jpg")}
        for name in ARRAYS:
            row[name] = np.load(io.BytesIO(sample[f"{name}.npy"]), allow_pickle=False)
        compare(at, row)
    return at + 1


def mds_rows():
    """By streaming, or by its description of the format: counts and offsets, sizes, columns by name."""
    if LIBRARY == "streaming":
        from streaming import StreamingDataset

        for sample in StreamingDataset(local=EXPORT, shuffle=False, batch_size=1):
            yield sample
        return
    with open(f"{EXPORT}/index.json") as file:
        index = json.load(file)
    check("version", index["version"], 2)
    for shard in index["shards"]:
        with open(f"{EXPORT}/{shard['raw_data']['basename']}", "rb") as file:
            data = file.read()
        check("bytes", len(data), shard["raw_data"]["bytes"])
        check("sorted", sorted(shard["column_names"]), shard["column_names"])
        count = int.from_bytes(data[:4], "little")
        check("samples", count, shard["samples"])
        offsets = np.frombuffer(data, "<u4", count + 1, 4)
        check("end", int(offsets[-1]), len(data))
        about = json.loads(data[8 + 4 * count : offsets[0]])
        check("columns", about["column_encodings"], shard["column_encodings"])
        for begin in offsets[:-1]:
            at, sample = int(begin), {}
            sizes = []
            for size in shard["column_sizes"]:
                if size is None:
                    size = int.from_bytes(data[at : at + 4], "little")
                    at += 4
                sizes.append(size)
            for name, encoding, size in zip(shard["column_names"], shard["column_encodings"], sizes):
                sample[name] = decoded(encoding, data[at : at + size])
                at += size
            yield sample


def decoded(encoding, data):
    if encoding == "bytes":
        return data
    if encoding == "str":
        return data.decode()
    if encoding == "json":
        return json.loads(data)
    if encoding.startswith("ndarray:"):
        _, dtype, shape = encoding.split(":")
        return np.frombuffer(data, dtype).reshape([int(n) for n in shape.split(",")])
    return np.frombuffer(data, encoding)[0]


def mds():
    at = -1
    for at, sample in enumerate(mds_rows()):
        sample["image"] = {role: sample[f"image_{role}"] for role in wanted["roles"]}
        compare(at, sample)
    return at + 1


def lerobot_rows():
    if LIBRARY == "lerobot":
        from lerobot.datasets.lerobot_dataset import LeRobotDataset

        data = LeRobotDataset("local/export", root=EXPORT)
        check("frames", len(data), wanted["count"])
        table = data.hf_dataset.with_format(None)
        # What the library itself gives for a frame: tensors, pictures, the task's text.
        for at in range(len(data)):
            frame, row = data[at], dict(table.data.slice(at, 1).to_pylist()[0])
            row["task"] = frame["task"]
            for name in row:
                if name.startswith("observation.images."):
                    check(f"row {at} {name}", tuple(frame[name].shape), (3, 256, 256))
            check(f"row {at} action", bits(frame["prep.action"].numpy()), bits(np.float32(row["prep.action"])))
            yield row
        return
    import pyarrow.parquet as pq

    tasks = pq.read_table(f"{EXPORT}/meta/tasks.parquet").to_pydict()
    names = dict(zip(tasks["task_index"], tasks["task"]))
    for path in sorted_files("data"):
        for row in pq.read_table(path).to_pylist():
            row["task"] = names[row["task_index"]]
            yield row


def sorted_files(folder):
    found = []
    for path, _, names in os.walk(f"{EXPORT}/{folder}"):
        found += [os.path.join(path, name) for name in names]
    return sorted(found)


def lerobot():
    arms, steps = shapes["action"][:2]
    roles, at = wanted["roles"], -1
    black = None
    with open(f"{EXPORT}/meta/info.json") as file:
        info = json.load(file)
    for at, row in enumerate(lerobot_rows()):
        sample = {
            name.removeprefix("prep."): value for name, value in row.items() if name.startswith("prep.")
        }
        vectors = {
            "action": np.float32(row["prep.action"]).reshape(arms, steps, 10),
            "history": np.float32(row["prep.history"]).reshape(arms, 10),
            "proprio": np.float32(row["observation.state"]).reshape(arms, 10),
            "image_hash": np.int64(row["prep.image_hash"]).reshape(len(roles)),
            "camera": np.float32(
                [[*row[f"prep.intrinsics.{role}"], *row[f"prep.base_from_cam.{role}"]] for role in roles]
            ),
        }
        if "action" in row:
            check(f"row {at} first action", bits(np.float32(row["action"])), bits(vectors["action"][:, 0].ravel()))
        pictures = {}
        for role in roles:
            data = row[f"observation.images.{role}"]["bytes"]
            if jpegs[role][at] == "":
                black = black or data
                check(f"row {at} {role} stands for a missing picture", digest(data), digest(black))
                data = b""
            pictures[role] = data
        check(f"row {at} index", row["index"], at)
        check(f"row {at} timestamp", row["timestamp"], float(np.float32(row["frame_index"] / info["fps"])))
        sample |= vectors
        sample |= {"image": pictures, "instruction": row["task"], "instructions": json.loads(row["prep.instructions"])}
        if "seed" in sample:
            sample["seed"] %= 2**64
        compare(at, sample)
    if LIBRARY != "lerobot":
        check_meta(info)
    return at + 1


def check_meta(info):
    """Episodes cover the rows one after the other; statistics are numpy's of the very columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = {path: pq.read_table(path) for path in sorted_files("data")}
    whole = pa.concat_tables(data.values()).select(
        [name for name in next(iter(data.values())).column_names if "images" not in name]
    )
    end, index = 0, 0
    with open(f"{EXPORT}/meta/stats.json") as file:
        total = json.load(file)
    for path in sorted_files("meta/episodes"):
        for episode in pq.read_table(path).to_pylist():
            check("episode", (episode["episode_index"], episode["dataset_from_index"]), (index, end))
            end, index = episode["dataset_to_index"], index + 1
            check("length", episode["length"], end - episode["dataset_from_index"])
            place = f"chunk-{episode['data/chunk_index']:03d}/file-{episode['data/file_index']:03d}.parquet"
            start = data[f"{EXPORT}/data/{place}"]["index"][0].as_py()
            rows = data[f"{EXPORT}/data/{place}"].slice(episode["dataset_from_index"] - start, episode["length"])
            check("rows of the episode", set(rows["episode_index"].to_pylist()), {index - 1})
            stats_of(rows, {k.removeprefix("stats/"): v for k, v in episode.items() if k.startswith("stats/")}, f"episode {index - 1}")
    check("totals", (info["total_frames"], info["total_episodes"]), (end, index))
    merged = {f"{name}/{key}": value for name, one in total.items() for key, value in one.items()}
    stats_of(whole, merged, "total", quantiles=False)
    check("codebase", info["codebase_version"], "v3.0")


def stats_of(rows, stats, what, quantiles=True):
    for key in [key for key in stats if key.endswith("/mean") and "images" not in key]:
        name = key.removesuffix("/mean")
        column = np.array(rows[name].to_pylist(), np.float64).reshape(rows.num_rows, -1)
        known = ~np.isnan(column).all(0)
        expected = {
            "min": np.nanmin(column[:, known], 0),
            "max": np.nanmax(column[:, known], 0),
            "mean": np.nanmean(column[:, known], 0),
            "std": np.nanstd(column[:, known], 0),
        }
        if quantiles:
            for q in (1, 10, 50, 90, 99):
                expected[f"q{q:02d}"] = np.nanquantile(column[:, known], q / 100, axis=0)
        for measure, values in expected.items():
            found = np.array(stats[f"{name}/{measure}"])
            if not np.allclose(found[known], values, rtol=1e-9, atol=1e-9) or found[~known].any():
                problems.append(f"{what} {name} {measure}: {found[:4]} instead of {values[:4]}")
        check(f"{what} {name} count", stats[f"{name}/count"], [rows.num_rows])
    for key in [key for key in stats if key.endswith("/mean") and "images" in key and quantiles]:
        image_stats(rows, stats, key.removesuffix("/mean"), what)


def image_stats(rows, stats, name, what):
    """Every pixel of every frame, which is lerobot's rule up to a hundred; the decoder's fast DCT moves dark ones by levels."""
    from PIL import Image

    check(f"{what} {name} count", stats[f"{name}/count"], [min(100, rows.num_rows)])
    if rows.num_rows > 100:
        return
    counts = np.zeros((3, 256), np.int64)
    for row in rows[name].to_pylist():
        pixels = np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("RGB")).reshape(-1, 3)
        counts += np.stack([np.bincount(channel, minlength=256) for channel in pixels.T])
    share, levels = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
    mean = share @ levels
    expected = {
        "mean": (mean, 1),
        "std": (np.sqrt((share * (levels - mean[:, None]) ** 2).sum(1)), 1),
        "q50": (levels[(share.cumsum(1) > 0.5).argmax(1)], 4),
        "q99": (levels[(share.cumsum(1) > 0.99).argmax(1)], 4),
    }
    for measure, (values, most) in expected.items():
        found = np.array(stats[f"{name}/{measure}"])
        check(f"{what} {name} {measure} shape", found.shape, (3, 1, 1))
        if not np.allclose(found.ravel(), values, atol=most / 255):
            problems.append(f"{what} {name} {measure}: {found.ravel()} instead of {values}")


rows = {"webdataset": webdataset, "mds": mds, "lerobot": lerobot}[FORMAT]()
check("rows", rows, wanted["count"])
for problem in problems[:20]:
    print(problem, file=sys.stderr)
print(f"{len(problems)} problems, {rows} rows by {LIBRARY}")
