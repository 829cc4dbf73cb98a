"""Normalisation from the statistics of `prep stats`, and back. Vectors are [..., 10]: xyz, rot6d, gripper."""
from __future__ import annotations

import json
import pathlib

import numpy as np

from .errors import fault

MODES = ("translation", "all", "robot")
#: Below it a range says nothing (metres, rot6d entries, openness) and becomes 1.
TINY = 1e-4


class Normalizer:
    """``x -> (x - offset) / scale``.

    ``translation``: xyz by one number for the whole mixture, the largest |q01|, |q99| of the three, so that directions stay
    directions; rot6d and gripper stay raw. ``robot``: the same with one number per robot. ``all``: every dimension by the
    mixture's mean and std.
    """

    def __init__(self, stats, mode: str):
        if mode not in MODES:
            raise fault("bad-option", "normalize", f"None or one of {', '.join(MODES)}", repr(mode))
        if isinstance(stats, (str, pathlib.Path)):
            stats = json.loads(pathlib.Path(stats).read_text())
        if not isinstance(stats, dict) or "mixture" not in stats:
            raise fault("bad-option", "stats", "what `prep stats` wrote, as a path or an object", "none" if stats is None else "no `mixture` in it")
        self.mode = mode
        if mode == "robot":
            self._robots = {name: {kind: _shared(one[kind]) for kind in one} for name, one in stats.get("robots", {}).items()}
        else:
            make = _shared if mode == "translation" else _each
            self._whole = {kind: make(one) for kind, one in stats["mixture"].items() if isinstance(one, dict) and "std" in one}

    def numbers(self, kind: str, robots=None) -> tuple[np.ndarray, np.ndarray]:
        """Offset and scale of `action`, `history` or `proprio`: [10], or [n, 10] for the robots of n rows."""
        if self.mode != "robot":
            return self._whole[kind]
        if robots is None:
            raise fault("bad-option", 'normalize="robot"', "the robot of every row", "none", 'pass `robots`')
        names, index = np.unique(np.asarray(robots, dtype=str), return_inverse=True)
        for name in names.tolist():
            if name not in self._robots:
                raise fault("bad-option", 'normalize="robot"', f"statistics of {name}", f"those of {', '.join(self._robots) or 'none'}", "run `prep stats` again")
        offset, scale = zip(*(self._robots[name][kind] for name in names.tolist()))
        return np.stack(offset)[index.reshape(-1)], np.stack(scale)[index.reshape(-1)]

    def apply(self, kind: str, values: np.ndarray, robots=None) -> np.ndarray:
        offset, scale = self._fit(kind, values, robots)
        return ((values - offset) / scale).astype(np.float32)

    def inverse(self, kind: str, values: np.ndarray, robots=None) -> np.ndarray:
        offset, scale = self._fit(kind, values, robots)
        return (values * scale + offset).astype(np.float32)

    def _fit(self, kind: str, values: np.ndarray, robots):
        offset, scale = self.numbers(kind, [robots] if isinstance(robots, str) else robots)
        between = (1,) * (np.ndim(values) - offset.ndim)
        # [n, 10] stands beside [n, ..., 10]; [10] broadcasts by itself.
        shape = (len(offset), *between, 10) if offset.ndim == 2 else (10,)
        return offset.reshape(shape), scale.reshape(shape)


def _widths(scale: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(scale) & (np.abs(scale) >= TINY), scale, 1.0)


def _shared(one: dict) -> tuple[np.ndarray, np.ndarray]:
    reach = np.abs(np.array([one["q01"], one["q99"]], np.float64))[:, :3]
    scale = np.ones(10)
    scale[:3] = _widths(reach.max())
    return np.zeros(10), scale


def _each(one: dict) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(one["mean"], np.float64), _widths(np.asarray(one["std"], np.float64))
