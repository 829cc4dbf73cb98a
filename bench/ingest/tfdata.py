"""DROID frames to 256x256 JPEG as dlimp-style loaders do it: tf.data, decode, resize, encode; results are only counted.

    python tfdata.py ROOT [--camera NAME ...] [--threads 2]

Prints one JSON line. `loop_cpu_s` leaves out the import of TensorFlow and the building of the graph.
"""
import argparse
import glob
import json
import os
import resource

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
import tensorflow as tf

SIZE = 256


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def letterboxed(encoded):
    image = tf.io.decode_jpeg(encoded, channels=3)
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    long_side = tf.maximum(height, width)
    to = [SIZE * height // long_side, SIZE * width // long_side]
    resized = tf.image.resize(image, to, method="bicubic", antialias=True)
    pixels = tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)
    padded = tf.image.pad_to_bounding_box(pixels, (SIZE - to[0]) // 2, (SIZE - to[1]) // 2, SIZE, SIZE)
    return tf.io.encode_jpeg(padded, quality=95, chroma_downsampling=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--camera", action="append", required=True)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    keys = [f"steps/observation/{name}" for name in args.camera]
    spec = {key: tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True) for key in keys}

    def frames_of(record):
        example = tf.io.parse_single_example(record, spec)
        return tf.data.Dataset.from_tensor_slices(tf.concat([example[key] for key in keys], 0))

    options = tf.data.Options()
    options.threading.private_threadpool_size = args.threads
    # Each map call is one frame: parallelism over frames, not within one.
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    shards = sorted(glob.glob(os.path.join(args.root, "*.tfrecord*")))
    dataset = tf.data.TFRecordDataset(shards).flat_map(frames_of).map(letterboxed, num_parallel_calls=args.threads)
    dataset = dataset.prefetch(2).with_options(options)
    frames, size = 0, 0
    start = None
    for jpeg in dataset.as_numpy_iterator():
        # From the second frame on: the first one waits for the graph.
        if start is None:
            start = cpu_seconds()
        else:
            frames += 1
        size += len(jpeg)
    loop = cpu_seconds() - start
    print(json.dumps({"frames": frames + 1, "jpeg_bytes": size // (frames + 1), "loop_cpu_s": loop, "tensorflow": tf.__version__}))


main()
