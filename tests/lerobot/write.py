"""
Writes a random LeRobot dataset with the installed `lerobot` and what that library reads of it again.

    python write.py --out DIR --seed N [--small KIND]

lerobot 0.4 writes v3.0, lerobot 0.3 writes v2.1 (and, turned back by hand, v2.0). DIR/set is the dataset. DIR/truth holds
`truth.json` (lengths, every column, task texts by frame, the codes drawn in the frames as far as lerobot's frames show them) and one `.rgb`
file per camera: lerobot's frames of all episodes in order, RGB, averaged over squares of `reduce` pixels.
`--small` writes one of the sets of fixtures/lerobot instead of a random one.
"""

import argparse
import json
import os
import random
import shutil
from functools import partial
from importlib.metadata import version
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1")

import numpy as np
import pyarrow.parquet as pq
from lerobot.datasets import lerobot_dataset
from lerobot.datasets.lerobot_dataset import CODEBASE_VERSION, LeRobotDataset

V3 = CODEBASE_VERSION.startswith("v3")
WORDS = ["put the red block in the bowl", "Öffne die Schublade – 打开抽屉", "wipe, then stop", "\"fold\" the\ttowel", "🦾 wave"]
CELL, COLS = 16, 6
# Exit code: lerobot could not write or read this set itself.
UNREADABLE = 3


# 24 bits, white and black squares of 16 pixels from (0, 0): frame 12, episode 6, camera 2, check 4.
def code_of(frame, episode, camera):
    check = (frame ^ (frame >> 4) ^ (frame >> 8) ^ episode ^ (episode >> 4) ^ camera) & 15
    return (frame & 4095) << 12 | (episode & 63) << 6 | (camera & 3) << 4 | check


def picture(shape, rng, frame, episode, camera, noise):
    height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    p = 0.21 * frame + 1.3 * episode + 2.1 * camera
    img = np.stack([128 + 100 * np.sin(x / 37 + p), 128 + 100 * np.cos(y / 29 + p), 128 + 90 * np.sin((x + y) / 51 - p)], axis=2)
    img = np.clip(img + rng.normal(0, noise, img.shape), 0, 255).astype(np.uint8)
    value = code_of(frame, episode, camera)
    for i in range(24):
        top, left = CELL * (i // COLS), CELL * (i % COLS)
        img[top : top + CELL, left : left + CELL] = 235 if value >> (23 - i) & 1 else 20
    return img


def read_code(img):
    value = 0
    for i in range(24):
        top, left = CELL * (i // COLS) + 4, CELL * (i % COLS) + 4
        mean = img[top : top + 8, left : left + 8].mean()
        if 80 < mean < 176:  # at preset 12 SVT-AV1 leaves out so much of inter frames that some show a mixture of two codes
            return None
        value = value << 1 | int(mean > 128)
    frame, episode, camera, check = value >> 12, value >> 6 & 63, value >> 4 & 3, value & 15
    fits = check == (frame ^ (frame >> 4) ^ (frame >> 8) ^ episode ^ (episode >> 4) ^ camera) & 15
    return value if fits else None


# ---------------------------------------------------------------- what is written
def random_plan(r):
    cameras = {}
    for i in range(r.randint(1, 3)):
        side = r.choice([144, 160, 192, 256])
        shape = (side, 256) if r.random() < 0.8 else (256, side)
        name = r.choice(["observation.images.", "observation.image_", "camera."]) + ["front", "wrist left", "côté"][i]
        cameras[name] = {"shape": shape, "dtype": "image" if r.random() < 0.25 else "video", "noise": r.choice([0, 2, 12])}
    return {
        "fps": r.choice([5, 10, 15, 24, 25, 30, 50]),
        "codec": r.choice(["libsvtav1", "libsvtav1", "h264", "hevc"]),
        "group": r.choice([2, 2, 7, 30]),
        "lengths": [r.choice([2, 3, 5, 8, 13, 21, 34]) for _ in range(r.randint(2, 9))],
        "cameras": cameras,
        "chunks": r.choice([1, 2, 3, 1000]),
        "data_mb": r.choice([0.004, 0.01, 0.03, 100]),
        "video_mb": r.choice([0.01, 0.03, 0.1, 200]),
        "then": r.choice(["", "", "merge", "delete", "merge"]) if V3 else r.choice(["", "v2.0"]),
        "rewrite": r.choice([None, None, "snappy", "zstd", "gzip", "none"]),
        "rows": r.choice([3, 7, 1000]),
    }


SMALL = {
    "v30": {"lengths": [4, 2, 6, 3], "codec": "libsvtav1", "then": "", "data_mb": 0.003, "video_mb": 0.006, "rewrite": None},
    "v30_merged": {"lengths": [3, 5, 2], "codec": "libsvtav1", "then": "merge", "data_mb": 0.001, "video_mb": 200, "rewrite": "zstd"},
    "v21": {"lengths": [5, 2, 4], "codec": "libsvtav1", "then": "", "data_mb": 100, "video_mb": 200, "rewrite": None},
    "v20": {"lengths": [3, 4], "codec": "h264", "then": "v2.0", "data_mb": 100, "video_mb": 200, "rewrite": "gzip"},
}


def small_plan(kind):
    cameras = {
        "observation.images.front": {"shape": (144, 256), "dtype": "video", "noise": 0},
        "observation.images.wrist": {"shape": (256, 160), "dtype": "image" if kind == "v20" else "video", "noise": 6 if kind == "v30" else 0},
    }
    return {"fps": 10, "group": 2, "chunks": 2, "rows": 4, "cameras": cameras, **SMALL[kind]}


def features_of(plan, r):
    features = {
        "observation.state": {"dtype": "float32", "shape": (r.randint(2, 9),), "names": None},
        "action": {"dtype": r.choice(["float32", "float64"]), "shape": (r.randint(2, 9),), "names": None},
        "observation.grid": {"dtype": "float32", "shape": (2, 3), "names": None},
        "one": {"dtype": r.choice(["float32", "float64", "int64"]), "shape": (1,), "names": None},
        "done": {"dtype": "bool", "shape": (1,), "names": None},
        "counts": {"dtype": r.choice(["int64", "int32"]), "shape": (3,), "names": None},
        "note": {"dtype": "string", "shape": (1,), "names": None},
    }
    if plan["then"] in ("merge", "delete"):
        del features["observation.grid"]  # lerobot's tools fail at columns of rank 2
    for name, camera in plan["cameras"].items():
        features[name] = {"dtype": camera["dtype"], "shape": (*camera["shape"], 3), "names": ["height", "width", "channels"]}
    return features


def value_of(feature, rng):
    dtype, shape = feature["dtype"], feature["shape"]
    if dtype == "string":
        return str(rng.choice(["", "a", "ü 你", "line\nbreak"]))
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype.startswith("int"):
        return rng.integers(-(2**31), 2**31 if dtype == "int32" else 2**40, shape).astype(dtype)
    return (rng.normal(0, 1, shape) * 10.0 ** rng.integers(-6, 4)).astype(dtype)


def write(root, plan, features, seed, first_episode=0):
    encode = partial(lerobot_dataset.encode_video_frames, vcodec=plan["codec"], g=plan["group"])
    written = lerobot_dataset.encode_video_frames
    lerobot_dataset.encode_video_frames = lambda *a, **k: encode(*a, **{x: y for x, y in k.items() if x != "vcodec"})
    ds = LeRobotDataset.create("made/set", fps=plan["fps"], root=root, robot_type="synthetic", features=features)
    if V3:
        ds.meta.update_chunk_settings(plan["chunks"], plan["data_mb"], plan["video_mb"])
    else:
        ds.meta.info["chunks_size"] = plan["chunks"]
    rng, r = np.random.default_rng(seed), random.Random(seed)
    for e, length in enumerate(plan["lengths"], first_episode):
        tasks = r.sample(WORDS, r.choice([1, 1, 2]))
        for k in range(length):
            frame = {name: value_of(f, rng) for name, f in features.items() if f["dtype"] not in ("video", "image")}
            for c, (name, camera) in enumerate(plan["cameras"].items()):
                frame[name] = picture(camera["shape"], rng, k, e, c, camera["noise"])
            task = tasks[0] if k < length / 2 else tasks[-1]
            if V3:
                ds.add_frame({**frame, "task": task})
            else:
                ds.add_frame(frame, task=task)
        ds.save_episode()
    if V3:
        ds.finalize()
    shutil.rmtree(root / "images", ignore_errors=True)
    lerobot_dataset.encode_video_frames = written


def make(out, plan, seed):
    features = features_of(plan, random.Random(seed))
    root = out / "set"
    if plan["then"] == "merge":
        from lerobot.datasets.dataset_tools import merge_datasets

        first = len(plan["lengths"])
        write(out / "a", plan, features, seed)
        write(out / "b", {**plan, "lengths": plan["lengths"][: max(1, first // 2)]}, features, seed + 1, first)
        parts = [LeRobotDataset("made/set", root=out / name) for name in "ab"]
        merge_datasets(parts, output_repo_id="made/set", output_dir=root)
    elif plan["then"] == "delete":
        from lerobot.datasets.dataset_tools import delete_episodes

        write(out / "a", plan, features, seed)
        gone = random.Random(seed).sample(range(len(plan["lengths"])), max(1, len(plan["lengths"]) // 3))
        delete_episodes(LeRobotDataset("made/set", root=out / "a"), gone, output_dir=root, repo_id="made/set")
    else:
        write(root, plan, features, seed)
    for name in "ab":
        shutil.rmtree(out / name, ignore_errors=True)
    if plan["then"] == "v2.0":
        info = json.loads((root / "meta/info.json").read_text())
        (root / "meta/info.json").write_text(json.dumps({**info, "codebase_version": "v2.0"}, indent=4))
        (root / "meta/episodes_stats.jsonl").rename(root / "meta/kept")
    if plan["rewrite"]:
        for path in root.glob("data/**/*.parquet"):
            table = pq.read_table(path)
            pq.write_table(table, path, row_group_size=plan["rows"], compression=plan["rewrite"], data_page_version="2.0")
    return root


def without_statistics(root):
    """They are most of a small set, and no reader of frames needs them."""
    for path in (root / "meta").glob("episodes/**/*.parquet"):
        table = pq.read_table(path)
        kept = table.select([c for c in table.column_names if not c.startswith("stats/") or c == "stats/action/mean"])
        pq.write_table(kept.replace_schema_metadata(None), path)
    for path in (root / "meta").glob("stats.json"):
        path.write_text("{}")
    for path in (root / "meta").glob("episodes_stats.jsonl"):
        path.write_text("".join(json.dumps({**json.loads(line), "stats": {}}) + "\n" for line in path.read_text().splitlines()))


# ---------------------------------------------------------------- what lerobot reads
def truth(root, out, plan, reduce):
    if plan["then"] == "v2.0":  # this lerobot asks for the statistics of v2.1
        info = (root / "meta/info.json").read_text()
        (root / "meta/info.json").write_text(info.replace('"v2.0"', '"v2.1"'))
        (root / "meta/kept").rename(root / "meta/episodes_stats.jsonl")
    ds = LeRobotDataset("made/set", root=root, video_backend="pyav")
    rows = ds.hf_dataset.with_format(None)
    cameras = list(plan["cameras"])
    columns = [name for name, f in ds.features.items() if f["dtype"] not in ("video", "image", "string")]
    texts = [name for name, f in ds.features.items() if f["dtype"] == "string"]
    files = {name: open(out / f"{i}.rgb", "wb") for i, name in enumerate(cameras)}
    plain = rows.remove_columns([name for name in cameras if name in rows.column_names])
    episodes = {}
    for i in range(len(ds)):
        row, item = plain[i], ds[i]
        one = episodes.setdefault(row["episode_index"], {"index": row["episode_index"], "length": 0, "tasks": [], "columns": {}, "texts": {}, "codes": {}})
        assert row["frame_index"] == one["length"] and int(item["episode_index"]) == one["index"]
        one["length"] += 1
        one["tasks"].append(item["task"])
        for name in columns:
            one["columns"].setdefault(name, []).extend(np.asarray(row[name], dtype=np.float64).reshape(-1).tolist())
        for name in texts:
            one["texts"].setdefault(name, []).append(row[name])
        for name in cameras:
            img = (item[name].permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
            one["codes"].setdefault(name, []).append(read_code(img))
            h, w = img.shape[0] // reduce, img.shape[1] // reduce
            means = img[: h * reduce, : w * reduce].reshape(h, reduce, w, reduce, 3).mean(axis=(1, 3))
            files[name].write(np.rint(means).astype(np.uint8).tobytes())
    for file in files.values():
        file.close()
    frames = {name: {"file": f"{i}.rgb", "height": plan["cameras"][name]["shape"][0], "width": plan["cameras"][name]["shape"][1]} for i, name in enumerate(cameras)}
    if plan["then"] == "v2.0":
        (root / "meta/info.json").write_text(info)
        # v2.0 has one file of statistics for the whole set.
        (root / "meta/episodes_stats.jsonl").unlink()
        (root / "meta/stats.json").write_text("{}")
    written = json.loads((root / "meta/info.json").read_text())["codebase_version"]
    value = {"lerobot": version("lerobot"), "version": written, "plan": {k: v for k, v in plan.items() if k != "cameras"}, "fps": ds.fps, "reduce": reduce, "cameras": frames, "episodes": list(episodes.values())}
    (out / "truth.json").write_text(json.dumps(value, separators=(",", ":")))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", type=Path, required=True), p.add_argument("--seed", type=int, required=True), p.add_argument("--small", choices=SMALL)
    a = p.parse_args()
    shutil.rmtree(a.out, ignore_errors=True)
    (a.out / "truth").mkdir(parents=True)
    plan = small_plan(a.small) if a.small else random_plan(random.Random(a.seed))
    print(json.dumps(plan), flush=True)
    try:
        root = make(a.out, plan, a.seed)
        truth(root, a.out / "truth", plan, 16 if a.small else 1)
        if a.small:
            without_statistics(root)
    except Exception as error:  # lerobot fails at some of its own H.264 and HEVC files: nothing to compare with
        print(f"lerobot: {type(error).__name__}: {error}"[:200])
        raise SystemExit(UNREADABLE) from error


if __name__ == "__main__":
    main()
