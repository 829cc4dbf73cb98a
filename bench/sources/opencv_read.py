"""The peer for HDF5: python opencv_read.py FILE FRAMES. h5py reads a frame, OpenCV scales (INTER_AREA) and codes it (JPEG, quality 95), as scripts do.

Prints one JSON line; the CPU is that of the loop.
"""
import json
import resource
import sys

import cv2
import h5py

SIZE = 256


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    path, wanted = sys.argv[1], int(sys.argv[2])
    cv2.setNumThreads(1)
    with h5py.File(path) as file:
        dataset = next(value for value in file.values() if getattr(value, "ndim", 0) == 4)
        count, height, width = dataset.shape[:3]
        long = max(width, height)
        size = (SIZE * width // long, SIZE * height // long)
        start, frames = cpu_seconds(), 0
        while frames < wanted:
            for i in range(count):
                small = cv2.resize(dataset[i], size, interpolation=cv2.INTER_AREA)
                cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])
                frames += 1
    print(json.dumps({"frames": frames, "loop_cpu_s": cpu_seconds() - start, "opencv": cv2.__version__}))


main()
