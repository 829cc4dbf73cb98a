"""The arrays of a batch that hold features: numbers, or what is stored of them until :func:`numbers_of` makes numbers, on any device."""
from __future__ import annotations

import numpy as np

from .feature_codec import decode
from .workers import inside

FORMS = ("float32", "float16", "stored")
KINDS = {"f16": np.float16, "bf16": np.uint16, "int8": np.int8, "f32": np.float32}
#: Rows that are decoded together: int8 takes three times their float32 numbers meanwhile.
DECODE_ROWS = 64


def empty(features, count: int):
    """Zeros, which absent views stay. ``features``: the reader. Numbers [n, V, taps, tokens, D], or stored parts by view."""
    if features.options.form != "stored":
        return np.zeros((count, len(features.views), *features.shape), features.options.form)
    taps, tokens, hidden = features.shape
    codec = features.given["codec"]
    widths = {"values": taps * tokens * hidden}
    if codec["name"] == "int8":
        widths.update(scale=taps * tokens, side=taps * tokens * len(codec["outliers"][0]))
    kind = {"values": KINDS[codec["name"]], "scale": np.float16, "side": np.float16}
    return {role: {part: np.zeros((count, width), kind[part]) for part, width in widths.items() if width} for role in features.views}


def numbers_of(features, batch: dict, device=None, dtype=None):
    """Features of a batch [n, V, taps, tokens, D]: a tensor on ``device``, an array without one."""
    values = batch["features"]
    if features.options.form != "stored":
        return _moved(values, device, dtype)
    count = len(values[features.views[0]]["values"])
    shape = (count, len(features.views), *features.shape)
    if device is None:
        out = np.empty(shape, np.float32 if dtype is None else dtype)
        where = ("numpy", None, out.dtype)
    else:
        import torch

        out = torch.empty(shape, device=device, dtype=dtype or torch.float32)
        where = ("torch", device, out.dtype)
    for slot, role in enumerate(features.views):
        for begin in range(0, count, DECODE_ROWS):
            some = slice(begin, begin + DECODE_ROWS)
            out[some, slot] = decode(features.given, {part: array[some] for part, array in values[role].items()}, *where)
    return out


def _moved(values, device, dtype):
    if device is None:
        return np.asarray(values, dtype)
    import torch

    return torch.as_tensor(values).to(device=device, dtype=dtype)


def shareable(features):
    """In a worker of PyTorch, stored arrays as tensors: those it moves through shared memory, arrays in a dictionary by pipe."""
    if not isinstance(features, dict) or not inside():
        return features
    import torch

    return {role: {part: torch.from_numpy(array) for part, array in one.items()} for role, one in features.items()}


def with_taps(spec: dict, kept: list[int]) -> dict:
    """The spec of some taps alone: what `decode` is told of them."""
    codec, model = dict(spec["codec"]), dict(spec["model"])
    model["taps"] = [model["taps"][i] for i in kept]
    if "outliers" in codec:
        codec["outliers"] = [codec["outliers"][i] for i in kept]
    return {**spec, "model": model, "codec": codec}
