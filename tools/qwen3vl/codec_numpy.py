"""The codec `hq8` in numpy, as its definition says it (Hadamard in float64): what the graph is compared with."""
import numpy as np


def hadamard(x, block):
    """Sylvester-Hadamard / sqrt(block) on consecutive blocks of the last axis; its own inverse."""
    y, h = x.astype(np.float64), 1
    while h < block:
        y = y.reshape(*x.shape[:-1], -1, 2, h)
        y = np.stack([y[..., 0, :] + y[..., 1, :], y[..., 0, :] - y[..., 1, :]], -2)
        h *= 2
    return y.reshape(x.shape) / np.sqrt(block)


def encoded(x, outliers, signs, block):
    """x (..., D) float32, outliers: channel numbers -> q int8 (..., D), scale f16 (...), side f16 (..., c)."""
    rest = x.copy()
    rest[..., outliers] = 0
    y = hadamard(rest * signs, block).astype(np.float32)
    scale = (np.abs(y).max(-1) / np.float32(127)).astype(np.float16)
    scale = np.where(scale == 0, np.float16(1), scale)
    q = np.clip(np.rint(y / scale.astype(np.float32)[..., None]), -127, 127).astype(np.int8)
    return q, scale, x[..., outliers].astype(np.float16)


def decoded(q, scale, side, outliers, signs, block):
    y = hadamard(q.astype(np.float32) * scale.astype(np.float32)[..., None], block) * signs
    x = y.astype(np.float32)
    x[..., outliers] = side.astype(np.float32)
    return x


def loudest(x, count):
    """The `count` channels of largest mean square, ascending. x (..., D)."""
    power = (x.astype(np.float64) ** 2).reshape(-1, x.shape[-1]).mean(0)
    return np.sort(np.argsort(-power, kind="stable")[:count])
