"""Rows of unlike tables made alike: rot6d layout, tool point, reference camera, slots of arms and cameras (prep's `transforms/harmonise.ts`)."""
from __future__ import annotations

import numpy as np

from . import geometry

ROLES = ("third", "third2", "wrist", "wrist2")
#: Bits of `present` within the four of a role.
IMAGE, INTRINSICS, ROTATION, TRANSLATION = range(4)
ARM_BIT, HISTORY_BIT = 16, 20


def role_bit(role: str, what: int) -> int:
    return 4 * ROLES.index(role) + what


def bit(present: np.ndarray, index: int) -> np.ndarray:
    return (present >> index & 1).astype(bool)


def camera_of(camera: np.ndarray, present: np.ndarray, reference: str, roles: list[str]):
    """(R [n, 3, 3], p [n, 3], known [n]) of baseFromCam of the camera in a role; base: the identity. float64"""
    count = len(present)
    if reference == "base":
        return np.broadcast_to(np.eye(3), (count, 3, 3)), np.zeros((count, 3)), np.ones(count, bool)
    if reference not in roles:
        return np.full((count, 3, 3), np.nan), np.full((count, 3), np.nan), np.zeros(count, bool)
    pose = camera[:, roles.index(reference), 4:16].reshape(count, 3, 4).astype(np.float64)
    return pose[:, :, :3], pose[:, :, 3], bit(present, role_bit(reference, ROTATION))


def harmonise(rows: dict, metadata: dict, harmony: dict) -> dict:
    """Rows of one table as the plan wants them.

    Arrays: action [n, a, T, 10], action_valid, history, proprio [n, a, 10], camera [n, r, 16], present: all of them where
    motions change, else any.
    """
    own = [role for role in ROLES if role in metadata["roles"]]
    changed = dict(rows)
    # Without vectors there is nothing to change but slots.
    if "proprio" in rows and any(metadata[what] != harmony[what] for what in ("reference", "tool", "rot6d")):
        changed.update(_change(rows, metadata, harmony, own))
    for name in ("action", "history", "proprio"):
        if name in changed:
            changed[name] = _padded(changed[name], harmony["arms"])
    if "camera" in changed:
        changed["camera"] = _placed(changed["camera"], own, harmony["roles"])
    gone = sum(0xF << 4 * ROLES.index(role) for role in ROLES if role not in harmony["roles"])
    changed["present"] = changed["present"] & np.int32(~gone)
    return changed


def _padded(values: np.ndarray, arms: int) -> np.ndarray:
    if values.shape[1] >= arms:
        return values[:, :arms]
    out = np.zeros((len(values), arms, *values.shape[2:]), np.float32)
    out[:, : values.shape[1]] = values
    return out


def _placed(camera: np.ndarray, own: list[str], roles: list[str]) -> np.ndarray:
    if own == list(roles):
        return camera
    out = np.full((len(camera), len(roles), camera.shape[2]), np.nan, np.float32)
    for slot, role in enumerate(roles):
        if role in own:
            out[:, slot] = camera[:, own.index(role)]
    return out


def _change(rows: dict, metadata: dict, harmony: dict, own: list[str]) -> dict:
    layouts = (metadata["rot6d"], harmony["rot6d"])
    old_r, old_p, old_known = camera_of(rows["camera"], rows["present"], metadata["reference"], own)
    new_r, new_p, new_known = camera_of(rows["camera"], rows["present"], harmony["reference"], own)
    known = old_known & new_known
    turned = metadata["reference"] != harmony["reference"]
    tool = None if metadata["tool"] == harmony["tool"] else _tools(rows["robot"], metadata, harmony["tool"])
    arms = np.stack([bit(rows["present"], ARM_BIT + a) for a in range(rows["proprio"].shape[1])], 1)
    with np.errstate(all="ignore"):
        cam_from_ee = geometry.rotation_from_rot6d(rows["proprio"][..., 3:9], layouts[0])
        lever = None if tool is None else geometry.rotate(cam_from_ee, tool[1])
        new_from_old = geometry.compose(geometry.inverse(new_r), old_r)[:, None] if turned else None
        poses = ((old_r[:, None], old_p[:, None]), (new_r[:, None], new_p[:, None])) if turned else None
        out = {
            "action": geometry.change_motion(
                rows["action"], layouts, None if lever is None else lever[:, :, None], None if new_from_old is None else new_from_old[:, None]
            ),
            "history": geometry.change_motion(rows["history"], layouts, lever, new_from_old),
            "proprio": geometry.change_pose(rows["proprio"], layouts, tool, poses),
        }
    for name, lost in (("action", 0), ("history", 0), ("proprio", np.nan)):
        out[name] = np.where(_as(arms, out[name]), out[name], rows[name])
        out[name][~known] = lost
    out["action_valid"] = np.where(known, rows["action_valid"], 0).astype(np.int16)
    out["present"] = np.where(known, rows["present"], rows["present"] & ~(1 << HISTORY_BIT)).astype(np.int32)
    return out


def _as(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    return mask.reshape(*mask.shape, *[1] * (like.ndim - mask.ndim))


def _tools(robots: list[str], metadata: dict, wanted: str) -> tuple[np.ndarray, np.ndarray]:
    """(R, d) from the stored frame to the wanted one, per row, with an axis for arms; the identity for robots without."""
    names, index = np.unique(np.asarray(robots, dtype=object).astype(str), return_inverse=True)
    r, d = np.tile(np.eye(3), (len(names), 1, 1)), np.zeros((len(names), 3))
    for i, name in enumerate(names):
        stored = metadata["robots"].get(str(name), {}).get("eeFromTool")
        if stored is None:
            continue
        matrix = np.asarray(stored, np.float64).reshape(-1, 4)[:3]
        if wanted == "canonical":
            r[i], d[i] = matrix[:, :3], matrix[:, 3]
        else:
            r[i] = matrix[:, :3].T
            d[i] = -geometry.rotate(r[i], matrix[:, 3])
    return r[index][:, None], d[index][:, None]
