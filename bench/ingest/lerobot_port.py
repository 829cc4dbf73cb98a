"""DROID frames into a LeRobot dataset as LeRobot's own port script does it: create, add_frame, save_episode.

    python lerobot_port.py FRAMES OUT [--episodes 2]

FRAMES holds `<episode>.<camera>.<step>.jpg`. Frames keep their size and become AV1 video (LeRobot's defaults); numbers are
zeros. Prints one JSON line; `loop_cpu_s` leaves out the imports and includes child processes.
"""
import argparse
import json
import os
import resource
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
from lerobot import __version__
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from PIL import Image

FPS = 15
NUMBERS = {"dtype": "float32", "shape": (8,), "names": {"axes": [f"joint_{i}" for i in range(7)] + ["gripper"]}}


def cpu_seconds():
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("frames", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--episodes", type=int, default=2)
    args = parser.parse_args()
    names = sorted(path.name for path in args.frames.glob("*.jpg"))
    episodes = sorted({name.split(".")[0] for name in names})[: args.episodes]
    cameras = sorted({name.split(".")[1] for name in names})
    first = Image.open(args.frames / names[0])
    video = {"dtype": "video", "shape": (first.height, first.width, 3), "names": ["height", "width", "channels"]}
    features = {f"observation.images.{name}": video for name in cameras}
    features |= {"observation.state": NUMBERS, "action": NUMBERS}
    start = cpu_seconds()
    dataset = LeRobotDataset.create("bench/droid", fps=FPS, features=features, root=args.out, robot_type="Franka", use_videos=True)
    frames = 0
    for episode in episodes:
        steps = sorted({name.split(".")[2] for name in names if name.startswith(f"{episode}.")})
        for step in steps:
            frame = {f"observation.images.{name}": np.asarray(Image.open(args.frames / f"{episode}.{name}.{step}.jpg")) for name in cameras}
            zeros = np.zeros(8, np.float32)
            dataset.add_frame({**frame, "observation.state": zeros, "action": zeros, "task": "move"})
            frames += len(cameras)
        dataset.save_episode()
    if hasattr(dataset, "finalize"):
        dataset.finalize()
    print(json.dumps({"frames": frames, "loop_cpu_s": cpu_seconds() - start, "lerobot": __version__}))


main()
