"""The limit for video: python limit.py VIDEO FRAMES. PyAV, one thread, decodes and scales to the letterbox; nothing else.

Prints one JSON line; the CPU is that of the loop. `fast`: swscale's default bicubic to RGB, as quick as libav can.
"""
import json
import resource
import sys

import av
from av.video.reformatter import Interpolation, VideoReformatter

SIZE = 256


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    path, wanted = sys.argv[1], int(sys.argv[2])
    start, frames = cpu_seconds(), 0
    reformatter = VideoReformatter()
    while frames < wanted:
        with av.open(path) as file:
            stream = file.streams.video[0]
            stream.codec_context.thread_count = 1
            stream.codec_context.thread_type = "NONE"
            long = max(stream.width, stream.height)
            width, height = SIZE * stream.width // long, SIZE * stream.height // long
            for frame in file.decode(stream):
                reformatter.reformat(frame, width, height, "rgb24", interpolation=Interpolation.BICUBIC, threads=1)
                frames += 1
    print(json.dumps({"frames": frames, "loop_cpu_s": cpu_seconds() - start, "av": av.__version__}))


main()
