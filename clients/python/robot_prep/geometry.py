"""Rotations and motions in numpy, vectorised over leading axes. Metres, row-major, names are `targetFromSource`.

Every sum is written out in the order of prep's TypeScript (`schemas/geometry.ts`, `schemas/action-geometry.ts`), float64
without fused operations: rows made alike here and there are equal to the last bit.
"""
from __future__ import annotations

import numpy as np

LAYOUTS = {"rows": (0, 1, 2, 3, 4, 5), "columns": (0, 3, 6, 1, 4, 7)}


def hypot(parts: list[np.ndarray]) -> np.ndarray:
    """Length as JavaScript's `Math.hypot` computes it in V8: scaled by the largest, Kahan summation."""
    largest = np.maximum.reduce([np.abs(p) for p in parts])
    safe = np.where(largest == 0, 1.0, largest)
    total, compensation = np.zeros_like(safe), np.zeros_like(safe)
    for part in parts:
        n = np.abs(part) / safe
        summand = n * n - compensation
        preliminary = total + summand
        compensation = (preliminary - total) - summand
        total = preliminary
    return np.sqrt(total) * largest


def compose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product of rotations: [..., 3, 3]."""
    return a[..., :, 0:1] * b[..., 0:1, :] + a[..., :, 1:2] * b[..., 1:2, :] + a[..., :, 2:3] * b[..., 2:3, :]


def rotate(m: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Rotates free vectors: [..., 3]."""
    return m[..., 0] * v[..., 0:1] + m[..., 1] * v[..., 1:2] + m[..., 2] * v[..., 2:3]


def inverse(m: np.ndarray) -> np.ndarray:
    return np.swapaxes(m, -1, -2)


def rot6d(m: np.ndarray, layout: str = "rows") -> np.ndarray:
    """Rotation [..., 3, 3] -> its first two rows (or columns) [..., 6]."""
    return m.reshape(*m.shape[:-2], 9)[..., LAYOUTS[layout]]


def rotation_from_rot6d(six: np.ndarray, layout: str = "rows") -> np.ndarray:
    """[..., 6] -> [..., 3, 3] by Gram-Schmidt, also for numbers that a network made. NaN where they are no rotation."""
    six = np.asarray(six, np.float64)
    with np.errstate(all="ignore"):
        a = _unit([six[..., i] for i in range(3)])
        along = a[0] * six[..., 3] + a[1] * six[..., 4] + a[2] * six[..., 5]
        b = _unit([six[..., 3 + i] - along * a[i] for i in range(3)])
        c = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
        rows = _through_quaternion([*a, *b, *c])
        # The other layout goes the same way once more, as there.
        return rows if layout == "rows" else _through_quaternion(list(np.moveaxis(inverse(rows).reshape(*rows.shape[:-2], 9), -1, 0)))


def _unit(v: list[np.ndarray]) -> list[np.ndarray]:
    length = hypot(v)
    return [x / length for x in v]


def _through_quaternion(m: list[np.ndarray]) -> np.ndarray:
    """Orthonormal to the last digit: matrix -> unit quaternion (Shepperd) -> matrix. Nine arrays -> [..., 3, 3]."""
    d = [1 + m[0] + m[4] + m[8], 1 + m[0] - m[4] - m[8], 1 - m[0] + m[4] - m[8], 1 - m[0] - m[4] + m[8]]
    a, b, c = m[7] - m[5], m[2] - m[6], m[3] - m[1]
    e, f, g = m[3] + m[1], m[2] + m[6], m[7] + m[5]
    rows = [[d[0], a, b, c], [a, d[1], e, f], [b, e, d[2], g], [c, f, g, d[3]]]
    largest = np.argmax(np.stack(d), axis=0)
    q = [np.choose(largest, [rows[k][i] for k in range(4)]) for i in range(4)]
    norm = hypot(q) * np.where(q[0] < 0, -1.0, 1.0)
    w, x, y, z = (part / norm for part in q)
    length = hypot([w, x, y, z])
    s = 2 / (length * length)
    flat = [
        1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y),
        s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x),
        s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y),
    ]
    return np.stack(flat, axis=-1).reshape(*flat[0].shape, 3, 3)


def change_motion(vectors: np.ndarray, layouts: tuple[str, str], arm: np.ndarray | None, new_from_old: np.ndarray | None) -> np.ndarray:
    """Actions or history [..., 10] float32 for another tool, reference camera, layout.

    ``arm``: R(camFromEe) * d, the lever of the tool in camera axes, None for the same tool: ``t' = t + R arm - arm``.
    ``new_from_old``: ``Q = R(newCam)^T R(oldCam)``, None for the same camera: ``t' = Q t``, ``R' = Q R Q^T``.
    """
    t, r = vectors[..., 0:3].astype(np.float64), rotation_from_rot6d(vectors[..., 3:9], layouts[0])
    if arm is not None:
        t = t + rotate(r, arm) - arm
    if new_from_old is not None:
        t, r = rotate(new_from_old, t), compose(compose(new_from_old, r), inverse(new_from_old))
    out = vectors.copy()
    out[..., 0:3], out[..., 3:9] = t, rot6d(r, layouts[1])
    return out


def change_pose(vectors: np.ndarray, layouts: tuple[str, str], tool=None, cameras=None) -> np.ndarray:
    """Proprioception [..., 10] float32: camFromEe for another tool, reference camera, layout.

    ``tool``: (R, d) of eeFromTool; ``cameras``: ((R, p) of the old baseFromCam, (R, p) of the new). Translations may be NaN.
    """
    p, r = vectors[..., 0:3].astype(np.float64), rotation_from_rot6d(vectors[..., 3:9], layouts[0])
    if tool is not None:
        p, r = rotate(r, tool[1]) + p, compose(r, tool[0])
    if cameras is not None:
        (old_r, old_p), (new_r, new_p) = cameras
        p, r = rotate(old_r, p) + old_p, compose(old_r, r)
        cam_from_base = inverse(new_r)
        p, r = rotate(cam_from_base, p) + -rotate(cam_from_base, new_p), compose(cam_from_base, r)
    out = vectors.copy()
    out[..., 0:3], out[..., 3:9] = p, rot6d(r, layouts[1])
    return out


def matrix_of(six: np.ndarray, layout: str) -> np.ndarray:
    """[..., 6] -> [..., 3, 3] with the cross product for the third row (or column): for numbers that prep stored, not checked again."""
    a, b, c, d, e, f = (six[..., i].astype(np.float64) for i in range(6))
    rows = np.stack([a, b, c, d, e, f, b * f - c * e, c * d - a * f, a * e - b * d], -1).reshape(*a.shape, 3, 3)
    return rows if layout == "rows" else inverse(rows)


def alike_pose(vectors: np.ndarray, layouts: tuple[str, str], tool, turn) -> tuple[np.ndarray, np.ndarray]:
    """Proprioception [n, arms, 10] made alike, and the tool's lever ``R(camFromEe) d`` [n, arms, 3] (0 without a tool).

    ``p' = p + R d``, ``R' = R R(eeFromTool)``, then both into the new camera by ``turn`` (R, p of newCamFromOldCam).
    """
    p, r = vectors[..., 0:3].astype(np.float64), matrix_of(vectors[..., 3:9], layouts[0])
    lever = np.zeros_like(p)
    if tool is not None:
        lever = np.where(tool[2][..., None], rotate(r, tool[1]), 0.0)
        p, r = p + lever, np.where(tool[2][..., None, None], compose(r, tool[0]), r)
    if turn is not None:
        p, r = rotate(turn[0], p) + turn[1], compose(turn[0], r)
    out = vectors.copy()
    out[..., 0:3], out[..., 3:9] = p, rot6d(r, layouts[1])
    return out, lever


def alike_motion(vectors: np.ndarray, lever: np.ndarray, layouts: tuple[str, str], turn: np.ndarray | None) -> np.ndarray:
    """Actions or history [..., 10] made alike: ``t' = Q (t + (R - I) lever)``, ``R' = Q R Q^T``."""
    r = matrix_of(vectors[..., 3:9], layouts[0])
    t = vectors[..., 0:3].astype(np.float64) + (rotate(r, lever) - lever)
    if turn is not None:
        t, r = rotate(turn, t), compose(compose(turn, r), inverse(turn))
    out = vectors.copy()
    out[..., 0:3] = t
    if turn is not None or layouts[0] != layouts[1]:
        out[..., 3:9] = rot6d(r, layouts[1])
    return out


def identity_vectors(shape: tuple[int, ...], layout: str = "rows") -> np.ndarray:
    """No motion: translation 0, identity rotation, gripper 0. float32 [..., 10]."""
    out = np.zeros((*shape, 10), np.float32)
    out[..., 3:9] = rot6d(np.eye(3), layout)
    return out
