"""The same pictures in four kinds of source: python make.py VIDEO OUT [--frames 300].

VIDEO is any video of a camera on a robot. OUT gets `av1`, `h264` and `png` (LeRobot v3.0, one episode, one camera, written
as LeRobot's own defaults are: AV1 g=2 crf 30; H.264 g=2 crf 30; PNG within Parquet) and `raw.hdf5` (uint8, N×H×W×3).
Prints one JSON line.
"""
import argparse
import io
import json
from pathlib import Path

import av
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CAMERA = "observation.images.front"
FPS = 30
CODECS = {
    "av1": ("libsvtav1", {"g": "2", "crf": "30", "preset": "8", "svtav1-params": "lp=1"}),
    "h264": ("libx264", {"g": "2", "crf": "30"}),
}


def video(path, frames, codec, options):
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=FPS, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))


def png(frame):
    bytes_ = io.BytesIO()
    Image.fromarray(frame).save(bytes_, "PNG")
    return bytes_.getvalue()


def lerobot(root, frames, kind):
    count = len(frames)
    (root / "data" / "chunk-000").mkdir(parents=True)
    (root / "meta" / "episodes" / "chunk-000").mkdir(parents=True)
    numbers = {"dtype": "float32", "shape": [2], "names": None}
    whole = {"dtype": "int64", "shape": [1], "names": None}
    picture = {"dtype": "image" if kind == "png" else "video", "shape": list(frames[0].shape), "names": ["height", "width", "channels"]}
    features = {
        CAMERA: picture, "observation.state": numbers, "action": numbers, "timestamp": {**whole, "dtype": "float32"},
        **{name: whole for name in ("frame_index", "episode_index", "index", "task_index")},
    }
    state = pa.array(np.zeros((count, 2), np.float32).tolist(), pa.list_(pa.float32(), 2))
    table = {
        "observation.state": state, "action": state, "timestamp": pa.array(np.arange(count, dtype=np.float32) / FPS),
        **{name: pa.array(np.arange(count) if name in ("frame_index", "index") else np.zeros(count, np.int64)) for name in ("frame_index", "episode_index", "index", "task_index")},
    }
    if kind == "png":
        cells = [{"bytes": png(frame), "path": f"frame-{i:06d}.png"} for i, frame in enumerate(frames)]
        table[CAMERA] = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    else:
        video(root / "videos" / CAMERA / "chunk-000" / "file-000.mp4", frames, *CODECS[kind])
    pq.write_table(pa.table(table), root / "data" / "chunk-000" / "file-000.parquet")
    episode = {
        "episode_index": [0], "tasks": [["move"]], "length": [count], "data/chunk_index": [0], "data/file_index": [0],
        "dataset_from_index": [0], "dataset_to_index": [count], "meta/episodes/chunk_index": [0], "meta/episodes/file_index": [0],
    }
    if kind != "png":
        at = f"videos/{CAMERA}"
        episode |= {f"{at}/chunk_index": [0], f"{at}/file_index": [0], f"{at}/from_timestamp": [0.0], f"{at}/to_timestamp": [count / FPS]}
    pq.write_table(pa.table(episode), root / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    # LeRobot looks tasks up by a pandas index.
    columns = [
        {"name": name, "field_name": name, "pandas_type": kinds[0], "numpy_type": kinds[1], "metadata": None}
        for name, kinds in {"task_index": ("int64", "int64"), "task": ("unicode", "object")}.items()
    ]
    index = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.2.0"}
    tasks = pa.table({"task_index": [0], "task": ["move"]}).replace_schema_metadata({"pandas": json.dumps(index)})
    pq.write_table(tasks, root / "meta" / "tasks.parquet")
    info = {
        "codebase_version": "v3.0", "fps": FPS, "features": features, "robot_type": "franka", "total_episodes": 1, "total_frames": count,
        "total_tasks": 1, "chunks_size": 1000, "data_files_size_in_mb": 100, "video_files_size_in_mb": 200, "splits": {"train": "0:1"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None if kind == "png" else "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }
    (root / "meta" / "info.json").write_text(json.dumps(info))
    (root / "meta" / "stats.json").write_text("{}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("video", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=300)
    args = parser.parse_args()
    with av.open(str(args.video)) as file:
        frames = [frame.to_ndarray(format="rgb24") for _, frame in zip(range(args.frames), file.decode(video=0))]
    for kind in ("av1", "h264", "png"):
        lerobot(args.out / kind, frames, kind)
    with h5py.File(args.out / "raw.hdf5", "w") as file:
        file.create_dataset("front", data=np.stack(frames), chunks=(1, *frames[0].shape))
    height, width = frames[0].shape[:2]
    print(json.dumps({"frames": len(frames), "width": width, "height": height}))


main()
