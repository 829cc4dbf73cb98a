"""What gpu.py compares: errors of hidden states, the int8 graph against numpy's hq8, and which operators may stay on the CPU."""
import math
from collections import Counter

import numpy as np

from qwen3vl import codec, codec_numpy

SHAPE_ELEMENTS = 64  # arithmetic on shapes and indexes has a few; anything larger on the CPU is a copy a frame


def errors(found, want):
    x, y = found.astype(np.float64), want.astype(np.float64)
    cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    return {"relRms": float(np.sqrt(((x - y) ** 2).sum() / (y**2).sum())), "minCosine": float(cosine.min()), "finite": bool(np.isfinite(x).all())}


def on_shapes(node):
    """Whether a node of ONNX Runtime's profile gives only integers, and few of them. One that does not say what it gives is none."""
    given = [pair for output in node.get("output_type_shape") or [] for pair in output.items()]
    return bool(given) and all(kind.startswith(("int", "uint")) and math.prod(shape) <= SHAPE_ELEMENTS for kind, shape in given)


def placed(nodes):
    """nodes: the `args` of the profile's node events. Unexpected ones by name, with their first outputs."""
    on_cpu = [n for n in nodes if n["provider"] == "CPUExecutionProvider"]
    unexpected = {}
    for n in on_cpu:
        if not on_shapes(n):
            unexpected.setdefault(n["op_name"], n.get("output_type_shape"))
    return {"nodes": len(nodes), "onCpu": dict(Counter(n["op_name"] for n in on_cpu)), "unexpectedOnCpu": unexpected, "copies": sum(n["op_name"].startswith("Memcpy") for n in nodes)}


def codec_errors(int8, wide, roles, outliers):
    """int8, wide: outputs by name of the int8 graph and the f32 graph. -> per part the share of values one step off, and more."""
    hidden = wide[roles[0]].shape[-1]
    signs, block = codec.signs_of(hidden), codec.block_of(hidden)
    off = {"q": [], "scale": [], "side": []}
    for role in roles:
        for t in range(outliers.shape[0]):
            want = codec_numpy.encoded(wide[role][:, t], outliers[t], signs, block)
            found = (int8[role + suffix][:, t] for suffix in ("", "_scale", "_side"))
            for part, x, y in zip(off, found, want):
                off[part].append(np.abs(steps(x) - steps(y)).ravel())
    return {part: {"offByOne": float((d == 1).mean()), "offByMore": float((d > 1).mean()), "largest": int(d.max())} for part, d in ((p, np.concatenate(x)) for p, x in off.items())}


def steps(x):
    """int8 as it is; float16 as its place among all float16 numbers, so that a difference counts units in the last place."""
    if x.dtype != np.float16:
        return x.astype(np.int64)
    bits = np.ascontiguousarray(x).view(np.int16).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFF), bits)
