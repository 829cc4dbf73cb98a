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

    Arrays: action [n, a, T, 10], action_valid, history, proprio [n, a, 10], camera [n, r, 16], image_hash [n, r], present:
    all but hashes where motions change, else any.
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
        changed["camera"] = _placed(changed["camera"], own, harmony["roles"], np.nan)
    if "image_hash" in changed:
        changed["image_hash"] = _placed(changed["image_hash"], own, harmony["roles"], 0)
    gone = sum(0xF << 4 * ROLES.index(role) for role in ROLES if role not in harmony["roles"])
    changed["present"] = changed["present"] & np.int32(~gone)
    return changed


def _padded(values: np.ndarray, arms: int) -> np.ndarray:
    if values.shape[1] >= arms:
        return values[:, :arms]
    out = np.zeros((len(values), arms, *values.shape[2:]), np.float32)
    out[:, : values.shape[1]] = values
    return out


def _placed(values: np.ndarray, own: list[str], roles: list[str], absent: float) -> np.ndarray:
    if own == list(roles):
        return values
    out = np.full((len(values), len(roles), *values.shape[2:]), absent, values.dtype)
    for slot, role in enumerate(roles):
        if role in own:
            out[:, slot] = values[:, own.index(role)]
    return out


def _change(rows: dict, metadata: dict, harmony: dict, own: list[str]) -> dict:
    """`transforms/alike.ts`, all rows at once: the same operations in the same order, so the same bits."""
    layouts = (metadata["rot6d"], harmony["rot6d"])
    turns = metadata["reference"] != harmony["reference"]
    count, slots = rows["proprio"].shape[:2]
    arms = np.stack([bit(rows["present"], ARM_BIT + a) for a in range(slots)], 1)
    tool = None if metadata["tool"] == harmony["tool"] else _tools(rows["robot"], metadata, harmony["tool"])
    known, turn = np.ones(count, bool), None
    if turns:
        old_r, old_p, old_known = camera_of(rows["camera"], rows["present"], metadata["reference"], own)
        new_r, new_p, new_known = camera_of(rows["camera"], rows["present"], harmony["reference"], own)
        known = old_known & new_known
        cam_from_base = geometry.inverse(new_r)
        turn = (geometry.compose(cam_from_base, old_r)[:, None], geometry.rotate(cam_from_base, old_p - new_p)[:, None])
    # What changes in a row: its robot may have no tool of its own.
    moved = np.zeros((count, 1), bool) if tool is None else tool[2]
    touched = arms & (moved | turns | (layouts[0] != layouts[1]))
    with np.errstate(all="ignore"):
        proprio, lever = geometry.alike_pose(rows["proprio"], layouts, tool, turn)
        motion = {"layouts": layouts, "turn": None if turn is None else turn[0]}
        out = {
            "proprio": proprio,
            "history": geometry.alike_motion(rows["history"], lever, **motion),
            "action": geometry.alike_motion(
                rows["action"], lever[:, :, None], layouts=layouts, turn=None if turn is None else turn[0][:, None]
            ),
        }
    for name in out:
        out[name] = np.where(_as(touched, out[name]), out[name], rows[name])
    lost = ~known
    out["action"][lost], out["history"][lost] = 0, 0
    # Of a pose in a frame that is not known the gripper is left.
    out["proprio"][..., :9][lost[:, None] & arms] = np.nan
    out["action_valid"] = np.where(known, rows["action_valid"], 0).astype(np.int16)
    out["present"] = np.where(known, rows["present"], rows["present"] & ~(1 << HISTORY_BIT)).astype(np.int32)
    return out


def _as(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    return mask.reshape(*mask.shape, *[1] * (like.ndim - mask.ndim))


def _tools(robots: list[str], metadata: dict, wanted: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(R, d, known) from the stored frame to the wanted one, per row, with an axis for arms; d = 0 for robots without."""
    names, index = np.unique(np.asarray(robots, dtype=object).astype(str), return_inverse=True)
    r, d, known = np.tile(np.eye(3), (len(names), 1, 1)), np.zeros((len(names), 3)), np.zeros(len(names), bool)
    for i, name in enumerate(names):
        stored = metadata["robots"].get(str(name), {}).get("eeFromTool")
        if not stored:
            continue
        known[i] = True
        matrix = np.asarray(stored, np.float64).reshape(-1, 4)[:3]
        if wanted == "canonical":
            r[i], d[i] = matrix[:, :3], matrix[:, 3]
        else:
            r[i] = matrix[:, :3].T
            d[i] = -geometry.rotate(r[i], matrix[:, 3])
    return r[index][:, None], d[index][:, None], known[index][:, None]
