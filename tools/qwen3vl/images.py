"""Pictures for the self check: folders of real ones, or generated ones with structure (edges, gradients, colour, texture).
Constant or noise-only pictures would leave position and channel mistakes unseen."""
import pathlib

import numpy as np

from .checkpoint import Refused


def generated(count, views, size=256, seed=7):
    """(count, views, size, size, 3) uint8, every one different; no symmetry in x, y or colour."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size].astype(np.float64) / size
    out = np.empty((count, views, size, size, 3), np.uint8)
    for picture in out.reshape(-1, size, size, 3):
        canvas = np.stack([x * rng.uniform(60, 200), y * rng.uniform(60, 200), (1 - x) * y * rng.uniform(60, 250)], -1) + rng.uniform(0, 40, 3)
        for _ in range(12):
            cx, cy, w, h = rng.uniform(0, 1, 2).tolist() + rng.uniform(0.04, 0.3, 2).tolist()
            canvas[(abs(x - cx) < w) & (abs(y - cy) < h)] = rng.uniform(0, 255, 3)
        canvas += 25 * np.sin(2 * np.pi * (rng.uniform(5, 40) * x + rng.uniform(5, 40) * y))[..., None] + rng.normal(0, 6, canvas.shape)
        picture[:] = np.clip(canvas, 0, 255)
    return out


def from_folder(folder, views, size=256):
    """The folder's PNG and JPEG files in name order, cut into sets of `views`; at most 3 sets."""
    from PIL import Image

    files = sorted(f for f in pathlib.Path(folder).iterdir() if f.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if len(files) < 2 * views:
        raise Refused(f"expected at least {2 * views} pictures (png, jpg) in {folder} for two sets of {views} views, found {len(files)}: add pictures or leave --check-images out")
    sets = min(3, len(files) // views)
    read = [np.asarray(Image.open(f).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)) for f in files[: sets * views]]
    return np.stack(read).reshape(sets, views, size, size, 3)
