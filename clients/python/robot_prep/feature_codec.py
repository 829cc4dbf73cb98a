"""Stored features to numbers: float16, float32, bfloat16 bits, or int8 turned by Hadamard (`hq8`), with numpy or torch on any device."""
from __future__ import annotations

import functools
import math

import numpy as np

from .errors import fault

CODECS = ("f16", "bf16", "int8", "f32")
#: Turned integers stay within 127 * 16 = 2032 after the first factor: TF32 has 11 bits, so both products are exact there too.
FIRST = 16


def decode(spec: dict, arrays: dict, xp: str = "numpy", device=None, dtype=None):
    """Features ``[rows, taps, tokens, hidden]`` of one view.

    ``spec``: a set's ``spec_json``. ``arrays``: ``values`` ``[rows, taps * tokens * hidden]``, with int8 also ``scale``
    ``[rows, taps * tokens]`` and, where outliers are kept apart, ``side`` ``[rows, taps * tokens * outliers]``, as numpy
    arrays or torch tensors; float16 may also come as uint16 bits. ``dtype``: of numpy or torch, float32 unless said
    otherwise. int8 takes the same float32 operations in numpy and torch, on every device, so the values are the same to the
    bit (``torch.set_float32_matmul_precision("medium")`` may round to bfloat16 on some CPUs).
    """
    model, codec = spec["model"], spec["codec"]
    name, shape = codec.get("name"), (len(model["taps"]), int(model["tokens"]), int(model["hidden"]))
    if name not in CODECS:
        raise fault("bad-value", "codec", f"one of {', '.join(CODECS)}", repr(name), "read these features with a newer client")
    if xp not in ("numpy", "torch"):
        raise fault("bad-option", "xp", "'numpy' or 'torch'", repr(xp))
    if xp == "numpy" and device is not None:
        raise fault("bad-option", "device", 'None with xp="numpy"', repr(device))
    if name == "int8":
        _check_constants(codec, shape)
    taken = {key: _fit(key, arrays.get(key), width) for key, width in _widths(codec, shape).items()}
    return _numpy(codec, shape, taken, dtype) if xp == "numpy" else _torch(codec, shape, taken, device, dtype)


def hadamard(size: int) -> np.ndarray:
    """Sylvester's matrix of +1 and -1, float32 ``[size, size]``."""
    out = np.ones((1, 1), np.float32)
    while len(out) < size:
        out = np.block([[out, out], [out, -out]])
    return out


def _widths(codec: dict, shape) -> dict:
    taps, tokens, hidden = shape
    out = {"values": taps * tokens * hidden}
    if codec["name"] == "int8":
        out["scale"] = taps * tokens
        if codec["outliers"][0]:
            out["side"] = taps * tokens * len(codec["outliers"][0])
    return out


def _fit(key: str, array, width: int):
    found = None if array is None else tuple(array.shape)
    if found is None or len(found) != 2 or found[1] != width:
        raise fault("field-shape", f"features, {key}", f"[rows, {width}]", "nothing" if found is None else str(list(found)), "decode with the spec of the set that the rows are of")
    return array


def _check_constants(codec: dict, shape) -> None:
    taps, _, hidden = shape
    block, signs, outliers = codec["block"], codec["signs"], codec["outliers"]
    if block < 1 or block & (block - 1) or hidden % block:
        raise fault("bad-value", "codec block", f"a power of two that divides {hidden}", str(block))
    if len(signs) != hidden:
        raise fault("bad-value", "codec signs", f"{hidden} numbers", str(len(signs)))
    if len(outliers) != taps or len({len(one) for one in outliers}) != 1:
        raise fault("bad-value", "codec outliers", f"{taps} lists of one length", f"{len(outliers)} of lengths {sorted({len(one) for one in outliers})}")


@functools.lru_cache(maxsize=8)
def _factors(block: int) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices whose Kronecker product is that of the block: two thin products instead of log2(block) passes over memory."""
    first = min(block, FIRST)
    return hadamard(first), hadamard(block // first)


def _constants(codec: dict, shape) -> dict:
    """float32 and int64 arrays: what the formulas below multiply and index with."""
    count = len(codec["outliers"][0])
    channels = np.asarray(codec["outliers"], np.int64).reshape(1, shape[0], 1, count)
    first, second = _factors(int(codec["block"]))
    return {"signs": np.asarray(codec["signs"], np.float32), "channels": channels, "first": first, "second": second}


def _norm(codec: dict) -> float:
    return float(np.float32(1 / math.sqrt(codec["block"])))


def _numpy(codec: dict, shape, arrays: dict, dtype):
    arrays = {key: np.asarray(array) for key, array in arrays.items()}
    rows, dtype = len(arrays["values"]), np.dtype(np.float32 if dtype is None else dtype)
    if codec["name"] == "bf16":
        bits = arrays["values"].view(np.uint16).astype(np.uint32) << 16
        return bits.view(np.float32).astype(dtype, copy=False).reshape(rows, *shape)
    if codec["name"] == "f16":
        return _half(arrays["values"]).astype(dtype).reshape(rows, *shape)
    if codec["name"] == "f32":
        return arrays["values"].astype(dtype).reshape(rows, *shape)
    constants, out = _constants(codec, shape), np.empty((rows, *shape), dtype)
    # A row at a time: its float32 numbers, not the batch's, are what is held twice.
    for row in range(rows):
        one = {key: array[row : row + 1] for key, array in arrays.items()}
        out[row] = _int8_numpy(codec, shape, one, constants)[0]
    return out


def _int8_numpy(codec: dict, shape, arrays: dict, constants: dict) -> np.ndarray:
    first, second = constants["first"], constants["second"]
    whole = arrays["values"].astype(np.float32).reshape(-1, len(first), len(second))
    out = (np.matmul(first, whole) @ second).reshape(-1, *shape)
    step = _half(arrays["scale"]).astype(np.float32) * np.float32(_norm(codec))
    out *= step.reshape(*out.shape[:3], 1)
    out *= constants["signs"]
    if "side" in arrays:
        side = _half(arrays["side"]).astype(np.float32).reshape(*out.shape[:3], -1)
        np.put_along_axis(out, np.broadcast_to(constants["channels"], side.shape), side, -1)
    return out


def _half(array: np.ndarray) -> np.ndarray:
    return array if array.dtype == np.float16 else np.ascontiguousarray(array).view(np.float16)


def _torch(codec: dict, shape, arrays: dict, device, dtype):
    import torch

    dtype = torch.float32 if dtype is None else dtype
    moved = {key: _tensor(array, bits=key != "values" or codec["name"] in ("f16", "bf16")).to(device) for key, array in arrays.items()}
    values = moved["values"]
    rows = len(values)
    if codec["name"] == "f32":
        return values.to(dtype).reshape(rows, *shape)
    if codec["name"] != "int8":
        kind = torch.bfloat16 if codec["name"] == "bf16" else torch.float16
        return values.view(kind).to(dtype).reshape(rows, *shape)
    constants = _constants_on(_key(codec), shape, values.device)
    # Autocast would make the products float16, whose end the sums pass.
    with torch.no_grad(), torch.autocast(values.device.type, enabled=False):
        whole = values.to(torch.float32).reshape(-1, len(constants["first"]), len(constants["second"]))
        out = (torch.matmul(constants["first"], whole) @ constants["second"]).reshape(rows, *shape)
        step = moved["scale"].view(torch.float16).to(torch.float32) * _norm(codec)
        out.mul_(step.reshape(rows, *shape[:2], 1)).mul_(constants["signs"])
        if "side" in moved:
            side = moved["side"].view(torch.float16).to(torch.float32).reshape(rows, *shape[:2], constants["channels"].shape[-1])
            out.scatter_(-1, constants["channels"].expand(side.shape), side)
    return out.to(dtype)


def _tensor(array, bits: bool):
    """A tensor; 16-bit numbers as int16 bits, which every torch can move."""
    import torch

    if isinstance(array, torch.Tensor):
        return array.contiguous().view(torch.int16) if bits else array
    array = np.ascontiguousarray(array)
    array = array.view(np.int16) if bits else array
    # Rows of an Arrow table cannot be written to, and torch warns; they are only read.
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _key(codec: dict) -> tuple:
    return (int(codec["block"]), tuple(codec["signs"]), tuple(map(tuple, codec["outliers"])))


@functools.lru_cache(maxsize=16)
def _constants_on(key: tuple, shape: tuple, device) -> dict:
    import torch

    block, signs, outliers = key
    codec = {"block": block, "signs": signs, "outliers": outliers}
    return {name: torch.from_numpy(array).to(device) for name, array in _constants(codec, shape).items()}
