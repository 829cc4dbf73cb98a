"""The int8 codec `hq8` inside the graph, in float32: outlier channels to an f16 side array, then signs, Hadamard, one f16 scale per token."""
import math

import numpy as np
import torch
from torch import nn

SIGN_SEED = 1234


def block_of(hidden):
    """The largest power of two that divides the width: consecutive blocks of it are rotated."""
    return hidden & -hidden


def signs_of(hidden):
    return np.where(np.random.default_rng(SIGN_SEED).random(hidden) < 0.5, -1, 1).astype(np.int64)


def sylvester(n):
    h = np.ones((1, 1), np.float32)
    while h.shape[0] < n:
        h = np.block([[h, h], [h, -h]]).astype(np.float32)
    return h


class Hq8(nn.Module):
    """x (B, taps, 64, D) float32, outliers (taps, c) int64 -> int8 (B, taps, 64, D), scale f16 (B, taps, 64), side f16 (B, taps, 64, c)."""

    def __init__(self, hidden):
        super().__init__()
        self.block = block_of(hidden)
        power = self.block.bit_length() - 1
        self.left, self.right = 1 << (power + 1) // 2, 1 << power // 2  # H of a block = H(left) x H(right)
        self.register_buffer("h_left", torch.from_numpy(sylvester(self.left)), persistent=False)
        self.register_buffer("h_right", torch.from_numpy(sylvester(self.right)), persistent=False)
        self.register_buffer("signs", torch.from_numpy(signs_of(hidden)).to(torch.float32), persistent=False)
        self.register_buffer("channels", torch.arange(hidden), persistent=False)

    def rotate(self, y):
        shape = y.shape
        y = y.reshape(-1, self.left, self.right)
        y = self.h_left @ (y @ self.h_right)
        return y.reshape(shape) * (1.0 / math.sqrt(self.block))

    def forward(self, x, outliers):
        batch, _, tokens, _ = x.shape
        side = torch.gather(x, 3, outliers[None, :, None].expand(batch, -1, tokens, -1))
        hits = (outliers[:, :, None] == self.channels).to(torch.float32).sum(1)  # (taps, D)
        kept = (hits == 0).to(torch.float32) * self.signs
        y = self.rotate(x * kept[:, None])
        scale = (y.abs().amax(-1) / 127.0).to(torch.float16)
        scale = torch.where(scale == 0, torch.ones_like(scale), scale)
        q = torch.clamp(torch.round(y / scale.to(torch.float32)[..., None]), -127, 127)
        return q.to(torch.int8), scale, side.to(torch.float16)
