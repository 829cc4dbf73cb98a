#!/usr/bin/env python3
"""A policy small enough for a CPU: pictures, proprioception, history -> the action chunk of every arm. numpy only.

    python train_tiny.py STORE PLAN HELD_OUT [--steps 2000]

PLAN and HELD_OUT are plans over different episodes (`"filter": {"episode": ...}` and `"not_episode"` in the mixture
file). Trains until the loss on held-out episodes is below that of always saying the mean action of the training
episodes, and prints both. Losses are squared errors over dimensions that the training episodes' std made alike, only
where masks are 1. Exit status 1 where it did not get there.
"""
from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from robot_prep import PrepDataset

GRID = 4
COLUMNS = ["image", "image_mask", "action", "action_mask", "history", "history_mask", "proprio", "proprio_mask", "draw"]


def features(batch: dict) -> np.ndarray:
    """[N, F]: a 4x4 grey picture of the first view, proprioception and history, each beside its mask."""
    pictures = batch["image"][:, 0].mean(1).reshape(len(batch["draw"]), GRID, 256 // GRID, GRID, 256 // GRID).mean((2, 4)) / 255
    parts = [
        pictures.reshape(len(pictures), -1), batch["image_mask"][:, :1],
        batch["proprio"], batch["proprio_mask"], batch["history"] * batch["history_mask"][:, None], batch["history_mask"][:, None],
    ]
    return np.concatenate([np.asarray(part, np.float32) for part in parts], 1)


def load(store: str, plan: str, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every draw of a plan, one sample per arm: features [N, F], actions [N, T, 10], mask [N, T, 1]."""
    batches = list(PrepDataset(store, plan, batch, columns=COLUMNS, arms="flatten"))
    return (
        np.concatenate([features(b) for b in batches]), np.concatenate([b["action"] for b in batches]),
        np.concatenate([b["action_mask"] for b in batches])[..., None].astype(np.float32),
    )


class Policy:
    """Two layers and a straight way past them, trained by Adam."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 64, seed: int = 0):
        rng = np.random.default_rng(seed)
        init = lambda a, b: (rng.normal(0, 1, (a, b)) / np.sqrt(a)).astype(np.float32)
        self.p = [init(inputs, hidden), np.zeros(hidden, np.float32), init(hidden, outputs) * 0.1, np.zeros(outputs, np.float32), init(inputs, outputs) * 0.1]
        self.m, self.v, self.t = [np.zeros_like(p) for p in self.p], [np.zeros_like(p) for p in self.p], 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.x, self.h = x, np.tanh(x @ self.p[0] + self.p[1])
        return self.h @ self.p[2] + self.p[3] + x @ self.p[4]

    def step(self, gradient: np.ndarray, rate: float, decay: float = 1e-2) -> None:
        back = (gradient @ self.p[2].T) * (1 - self.h**2)
        gradients = [self.x.T @ back, back.sum(0), self.h.T @ gradient, gradient.sum(0), self.x.T @ gradient]
        self.t += 1
        for p, g, m, v in zip(self.p, gradients, self.m, self.v):
            m += 0.1 * (g - m)
            v += 0.01 * (g * g - v)
            p -= rate * (m / (1 - 0.9**self.t) / (np.sqrt(v / (1 - 0.99**self.t)) + 1e-8) + decay * p)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("store", "plan", "held_out"):
        parser.add_argument(name)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args()
    x, y, mask = load(options.store, options.plan, options.batch)
    held_x, held_y, held_mask = load(options.store, options.held_out, options.batch)
    mean = (y * mask).sum((0, 1)) / mask.sum((0, 1))
    std = np.maximum(np.sqrt((((y - mean) ** 2) * mask).sum((0, 1)) / mask.sum((0, 1))), 1e-3)
    centre, width = x.mean(0), np.maximum(x.std(0), 1e-3)
    # Numbers that another episode has far from all that was seen are no better known for being large.
    ready = lambda values: np.clip((values - centre) / width, -3, 3)
    loss = lambda guess, target, m: float((((guess - (target - mean) / std) ** 2) * m).sum() / (m.sum() * 10))
    baseline = loss(np.zeros_like(held_y), held_y, held_mask)
    policy, rng, best = Policy(x.shape[1], y[0].size), np.random.default_rng(1), (np.inf, 0)
    for step in range(1, options.steps + 1):
        pick = rng.integers(0, len(x), options.batch)
        guess = policy(ready(x[pick])).reshape(-1, *y.shape[1:])
        m = mask[pick]
        policy.step((2 * (guess - (y[pick] - mean) / std) * m / (m.sum() * 10)).reshape(len(pick), -1).astype(np.float32), 1e-3)
        if step % 50 == 0:
            held = loss(policy(ready(held_x)).reshape(held_y.shape), held_y, held_mask)
            best = min(best, (held, step))
            if held < 0.95 * baseline:
                break
    train = loss(policy(ready(x)).reshape(y.shape), y, mask)
    report = {"samples": len(x), "held_out_samples": len(held_x), "steps": step, "train_loss": train, "held_out_loss": best[0], "mean_action_baseline": baseline}
    print(json.dumps({name: round(value, 4) for name, value in report.items()}))
    return 0 if best[0] < baseline else 1


if __name__ == "__main__":
    sys.exit(main())
