"""Augmentation by a row's seed. No flips: a mirrored picture has no rigid camera."""
from __future__ import annotations

import numpy as np

from .errors import fault
from .order import absorb


class FixedPictures(np.ndarray):
    """Pictures that came with cached features: other pixels would no longer be those of the features.

    Indexing and views keep it; `np.asarray`, `np.stack`, `np.concatenate` and tensors lose it.
    """

    #: PyTorch's `default_convert` makes tensors only of numpy's own types, and knows them by this.
    __module__ = "numpy"

    def __reduce_ex__(self, protocol):
        # By the name above pickle would not find the class.
        return fixed_pictures, (np.asarray(self),)


def fixed_pictures(image: np.ndarray) -> FixedPictures:
    return image.view(FixedPictures)


def augment(
    image: np.ndarray, K: np.ndarray, seed: int, *, crop: float = 0.9, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """Crop-resize and colour of the views of one row.

    ``image`` u8 [V, 3, H, W], ``K`` [V, 3, 3] in pixels (the centre of the first pixel is 0). Every view gets its own window,
    of a side between ``crop`` and 1 of the picture's, and colour. K follows the window; poses do not change. The same seed
    gives the same picture everywhere. A batch: one call per row, `augment(image[i], K[i], int(seed[i]))`.
    """
    if isinstance(image, FixedPictures):
        raise fixed()
    out, intrinsics = np.empty(image.shape, np.uint8), np.array(K, np.float32)
    for view in range(image.shape[0]):
        u = _uniform(seed, view, 6)
        height, width = image.shape[2:]
        side = crop + (1 - crop) * u[0]
        x0, y0 = u[1] * (1 - side) * width, u[2] * (1 - side) * height
        picture = _window(image[view].astype(np.float32), x0, y0, side)
        out[view] = _colour(picture, 1 + brightness * (2 * u[3] - 1), 1 + contrast * (2 * u[4] - 1), 1 + saturation * (2 * u[5] - 1))
        known = not np.array_equal(intrinsics[view], np.eye(3, dtype=np.float32))
        if known:
            intrinsics[view] = _intrinsics(np.asarray(K[view], np.float64), x0, y0, side)
    return out, intrinsics


def augment_batch(batch: dict, **options) -> dict:
    """The batch with other `image` and `K`: :func:`augment` of every row by its seed. Arrays, as without workers."""
    if "features" in batch:
        raise fixed()
    lacking = [name for name in ("image", "K", "seed") if name not in batch]
    if lacking:
        raise fault("bad-option", "augment", "a batch with image, K and seed", f"one without {', '.join(lacking)}")
    image, K = np.empty(batch["image"].shape, np.uint8), np.empty(batch["K"].shape, np.float32)
    for i, seed in enumerate(batch["seed"].tolist()):
        image[i], K[i] = augment(np.asarray(batch["image"][i]), np.asarray(batch["K"][i]), int(seed), **options)
    return {**batch, "image": image, "K": K}


def fixed():
    return fault(
        "bad-option", "augment", "pictures without cached features", "those of a batch with them",
        "another colour or crop would no longer match the features: train on the pictures as they are, or leave out features=",
    )


def _uniform(seed: int, view: int, count: int) -> list[float]:
    key = absorb(absorb(np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)), np.uint32(0x6175 + view))
    return [float(absorb(key, np.uint32(i))) / 2**32 for i in range(count)]


def _intrinsics(k: np.ndarray, x0: float, y0: float, side: float) -> np.ndarray:
    """Pixel u of the picture lies at ``(u + 0.5 - x0) / side - 0.5`` of the window."""
    out = k.copy()
    out[0], out[1] = k[0] / side, k[1] / side
    out[0, 2], out[1, 2] = (k[0, 2] + 0.5 - x0) / side - 0.5, (k[1, 2] + 0.5 - y0) / side - 0.5
    return out


def _window(picture: np.ndarray, x0: float, y0: float, side: float) -> np.ndarray:
    """Bilinear, [3, H, W] float32: the window is never larger than the picture, so nothing aliases."""
    def taps(start: float, size: int):
        at = np.clip(start + (np.arange(size) + 0.5) * side - 0.5, 0, size - 1)
        low = np.minimum(at.astype(np.int64), size - 2)
        return low, (at - low).astype(np.float32)

    y, fy = taps(y0, picture.shape[1])
    x, fx = taps(x0, picture.shape[2])
    rows = picture[:, y] * (1 - fy)[:, None] + picture[:, y + 1] * fy[:, None]
    return rows[:, :, x] * (1 - fx) + rows[:, :, x + 1] * fx


def _colour(picture: np.ndarray, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    picture = picture * np.float32(brightness)
    grey = np.float32(0.299) * picture[0] + np.float32(0.587) * picture[1] + np.float32(0.114) * picture[2]
    picture = grey + (picture - grey) * np.float32(saturation)
    mean = grey.mean(dtype=np.float64).astype(np.float32)
    return np.clip(mean + (picture - mean) * np.float32(contrast) + np.float32(0.5), 0, 255).astype(np.uint8)
