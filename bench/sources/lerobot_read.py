"""The peer: python lerobot_read.py ROOT FRAMES. LeRobotDataset gives every frame once, in order, as trainers ask for them.

No scaling and no coding: only reading and decoding to a float tensor (by PyAV: torchcodec wants libraries of the system). Prints one JSON line; the CPU is that of the loop.
"""
import json
import os
import resource
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
from lerobot import __version__
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    root, wanted = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    dataset = LeRobotDataset("bench/sources", root=root, video_backend="pyav")
    dataset[0]
    start, frames = cpu_seconds(), 0
    while frames < wanted:
        for i in range(len(dataset)):
            dataset[i]
        frames += len(dataset)
    print(json.dumps({"frames": frames, "loop_cpu_s": cpu_seconds() - start, "lerobot": __version__}))


main()
