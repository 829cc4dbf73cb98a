"""Rows, made alike -> the batch that a trainer gets: masks instead of NaN, another reference camera, text by the seed."""
from __future__ import annotations

import numpy as np

from . import geometry
from .harmony import ARM_BIT, HISTORY_BIT, IMAGE, INTRINSICS, ROLES, ROTATION, TRANSLATION, bit, role_bit
from .images import decode_into
from .order import absorb, words

#: Key of the batch -> columns of the mixed row that it is made of.
NEEDS = {
    "image": (), "image_mask": ("present",), "K": ("camera", "present"), "base_from_cam": ("camera", "present"), "k_mask": ("camera", "present"),
    "rot_mask": ("camera", "present"), "trans_mask": ("camera", "present"), "reference": ("present",),
    "action": ("action", "present"), "action_mask": ("action", "action_valid", "present"), "history": ("history", "present"),
    "history_mask": ("history", "present"), "proprio": ("proprio", "present"), "proprio_mask": ("proprio", "camera", "present"),
    "instruction": ("instruction",), "language_mask": ("instruction",), "dataset": ("dataset",), "robot": ("robot",), "hz": ("hz",), "seed": (), "draw": (),
    "features": ("image_hash",), "feature_mask": ("image_hash",), "feature_computed": ("image_hash",),
}
VECTORS = ("action", "history", "proprio")
INSTRUCTION, REFERENCE = 11, 12


def pick(seed: np.ndarray, purpose: int, count: np.ndarray) -> np.ndarray:
    """A number below `count` from each seed; other purposes are independent of it."""
    low, high = words(seed & np.uint64(0xFFFFFFFF))[0], words(seed >> np.uint64(32))[0]
    return (absorb(absorb(low, high), np.uint32(purpose)) % np.maximum(count, 1).astype(np.uint32)).astype(np.int64)


def build(rows: dict, options) -> dict:
    """``rows``: columns with `draw` and `seed`; ``options``: a PrepDataset. All keys of the batch that its columns name."""
    harmony, wanted = options.harmony, options.wanted
    present, count = rows["present"], len(rows["present"])
    roles = harmony["roles"]
    batch: dict = {}
    views = _views(rows, roles)
    reference = np.full(count, -1 if harmony["reference"] == "base" else ROLES.index(harmony["reference"]), np.int8)
    masks = _vector_masks(rows, harmony, reference)
    vectors = {name: rows[name] for name in VECTORS if name in rows}
    if options.reference != "row":
        reference = _retarget(rows, vectors, masks, reference, options, views)
    if options.history == "reference" and "history" in vectors:
        vectors["history"], masks["history"] = _reference_history(vectors, harmony, masks)
    _finish_vectors(vectors, masks, harmony)
    if options.normalizer is not None:
        for name in vectors:
            vectors[name] = options.normalizer.apply(name, vectors[name], rows.get("robot"))
    batch.update(vectors)
    batch.update({f"{name}_mask": mask for name, mask in masks.items() if mask is not None})
    batch.update(views, reference=reference, draw=rows["draw"], seed=rows["seed"])
    if "image" in wanted:
        batch["image"] = _pictures(rows, roles, options)
    if "image_mask" in wanted:
        batch["image_mask"] = np.stack([bit(present, role_bit(role, IMAGE)) for role in roles], 1)
    _words(batch, rows, options)
    for name in ("robot", "hz", "dataset", "features", "feature_mask", "feature_computed"):
        if name in rows:
            batch[name] = rows[name]
    return {name: batch[name] for name in wanted}


def _views(rows: dict, roles: list[str]) -> dict:
    """K, base_from_cam and their masks: identity with mask 0 where unknown."""
    if "camera" not in rows:
        return {}
    camera, present = rows["camera"], rows["present"]
    b, v = camera.shape[:2]
    known = {what: np.stack([bit(present, role_bit(role, i)) for role in roles], 1) for what, i in (("k", INTRINSICS), ("rot", ROTATION), ("trans", TRANSLATION))}
    pose = camera[..., 4:16].reshape(b, v, 3, 4)
    k_mask = known["k"] & np.isfinite(camera[..., :4]).all(-1)
    rot_mask = known["rot"] & np.isfinite(pose[..., :3]).all((-1, -2))
    trans_mask = rot_mask & known["trans"] & np.isfinite(pose[..., 3]).all(-1)
    k = np.tile(np.eye(3, dtype=np.float32), (b, v, 1, 1))
    for at, (i, j) in enumerate(((0, 0), (1, 1), (0, 2), (1, 2))):
        k[..., i, j] = np.where(k_mask, camera[..., at], k[..., i, j])
    base_from_cam = np.tile(np.eye(4, dtype=np.float32), (b, v, 1, 1))
    base_from_cam[..., :3, :3] = np.where(rot_mask[..., None, None], pose[..., :3], base_from_cam[..., :3, :3])
    base_from_cam[..., :3, 3] = np.where(trans_mask[..., None], pose[..., 3], 0)
    return {"K": k, "base_from_cam": base_from_cam, "k_mask": k_mask, "rot_mask": rot_mask, "trans_mask": trans_mask}


def _vector_masks(rows: dict, harmony: dict, reference: np.ndarray) -> dict:
    present = rows["present"]
    arms = np.stack([bit(present, ARM_BIT + a) for a in range(harmony["arms"])], 1)
    masks: dict = {"arms": arms}
    if "action" in rows and "action_valid" in rows:
        inside = np.arange(harmony["steps"]) < rows["action_valid"][:, None]
        masks["action"] = arms[:, :, None] & inside[:, None] & np.isfinite(rows["action"]).all(-1)
    if "history" in rows:
        masks["history"] = arms & bit(present, HISTORY_BIT)[:, None] & np.isfinite(rows["history"]).all(-1)
    if "proprio" in rows:
        finite = np.isfinite(rows["proprio"])
        turned = finite[..., 3:9].all(-1)
        known = _reference_bit(present, reference, TRANSLATION)
        masks["proprio"] = arms[..., None] & np.stack([turned & finite[..., :3].all(-1) & known[:, None], turned], -1)
    return masks


def _reference_bit(present: np.ndarray, reference: np.ndarray, what: int) -> np.ndarray:
    """A bit of each row's reference camera; base has all."""
    return np.where(reference < 0, True, (present >> (4 * np.maximum(reference, 0) + what) & 1).astype(bool))


def _retarget(rows: dict, vectors: dict, masks: dict, reference: np.ndarray, options, views: dict) -> np.ndarray:
    """Vectors for another reference camera, in place; where its rotation is not known, masks are 0. Returns the new references."""
    roles, layout = options.harmony["roles"], options.harmony["rot6d"]
    slots = _slots(rows, views, roles, options.reference)
    wanted = np.where(slots < 0, reference, np.array([ROLES.index(r) for r in roles])[np.maximum(slots, 0)]).astype(np.int8)
    move = np.flatnonzero(wanted != reference)
    if not len(move):
        return reference
    base_from_cam = views["base_from_cam"].astype(np.float64)
    old_slot = np.array([roles.index(ROLES[r]) if r >= 0 and ROLES[r] in roles else -1 for r in range(-1, 4)])[reference[move] + 1]
    known = views["rot_mask"][move, slots[move]] & ((reference[move] < 0) | ((old_slot >= 0) & views["rot_mask"][move, old_slot]))
    old = np.where((reference[move] < 0)[:, None, None], np.eye(4), base_from_cam[move, old_slot])
    new = base_from_cam[move, slots[move]]
    q = geometry.compose(geometry.inverse(new[:, :3, :3]), old[:, :3, :3])[:, None]
    cameras = tuple((m[:, None, :3, :3], m[:, None, :3, 3]) for m in (old, new))
    change = {
        "action": lambda x: geometry.change_motion(x, (layout, layout), None, q[:, None]),
        "history": lambda x: geometry.change_motion(x, (layout, layout), None, q),
        "proprio": lambda x: geometry.change_pose(x, (layout, layout), None, cameras),
    }
    arms = masks["arms"][move]
    for name in vectors:
        with np.errstate(all="ignore"):
            changed = change[name](vectors[name][move])
        changed[~arms] = 0
        vectors[name] = vectors[name].copy()
        vectors[name][move] = changed
        if masks.get(name) is not None:
            masks[name] = masks[name].copy()
            masks[name][move[~known]] = False
    if masks.get("proprio") is not None:
        masks["proprio"][move, :, 0] &= views["trans_mask"][move, slots[move]][:, None]
    return wanted


def _slots(rows: dict, views: dict, roles: list[str], reference: str) -> np.ndarray:
    """The view that becomes the reference, −1 where the row's stays."""
    if reference != "random":
        return np.full(len(rows["present"]), roles.index(reference))
    pictures = np.stack([bit(rows["present"], role_bit(role, IMAGE)) for role in roles], 1)
    candidates = pictures & views["rot_mask"]
    chosen = pick(rows["seed"], REFERENCE, candidates.sum(1))
    found = candidates & (candidates.cumsum(1) == chosen[:, None] + 1)
    return np.where(found.any(1), found.argmax(1), -1)


def _reference_history(vectors: dict, harmony: dict, masks: dict):
    """No motion, with the opening that the gripper has now, as the codes of the method's predecessors have it."""
    out = geometry.identity_vectors(vectors["history"].shape[:2], harmony["rot6d"])
    if "proprio" in vectors:
        out[..., 9] = np.nan_to_num(vectors["proprio"][..., 9])
    return out, masks["arms"].copy()


def _finish_vectors(vectors: dict, masks: dict, harmony: dict) -> None:
    """No NaN: unknown numbers become those of no motion, absent arms zeros. Copies only where there is something to change."""
    arms = masks.pop("arms")
    identity = geometry.identity_vectors((), harmony["rot6d"])
    for name, values in vectors.items():
        bad = ~np.isfinite(values)
        if bad.any():
            # A rotation is known whole or not at all.
            bad[..., 3:9] = bad[..., 3:9].any(-1, keepdims=True)
            values = np.where(bad, identity, values)
        if not arms.all():
            values = np.where(arms.reshape(*arms.shape, *[1] * (values.ndim - 2)), values, np.float32(0))
        vectors[name] = values


def _pictures(rows: dict, roles: list[str], options):
    views = [rows[f"image_{role}"] for role in roles]
    if options.decode:
        out = options.memory((len(rows["present"]), len(views), options.height, options.width, 3))
        return decode_into(out, views, options.decoder)
    return [[bytes(one) for one in row] for row in zip(*views)]


def _words(batch: dict, rows: dict, options) -> None:
    if "instruction" not in rows:
        return
    texts = rows["instruction"]
    if options.instruction == "draw":
        texts = _drawn(texts, rows["instructions"], rows["seed"])
    batch["instruction"] = texts
    batch["language_mask"] = np.array([bool(text) for text in texts], bool) & (not options.mask_language)


def _drawn(texts: list[str], lists: list[list[str]], seeds: np.ndarray) -> list[str]:
    """One of the episode's wordings by the row's seed. A step that has a text of its own, its segment's, keeps it."""
    chosen = pick(seeds, INSTRUCTION, np.array([sum(map(bool, one)) for one in lists])).tolist()
    out = []
    for text, all_, k in zip(texts, lists, chosen):
        wordings = [one for one in all_ if one]
        out.append(wordings[k] if wordings and text == wordings[0] else text)
    return out


def picked(values, rows):
    """These rows (a slice or indices) of a value of the batch."""
    if isinstance(values, dict):
        return {name: picked(one, rows) for name, one in values.items()}
    if isinstance(values, list) and not isinstance(rows, slice):
        return [values[i] for i in rows.tolist()]
    return values[rows]


def flatten_arms(batch: dict, arms: np.ndarray) -> dict:
    """Each arm that is there as its own sample: [B, A, ...] -> [N, ...]; what belongs to the row is repeated."""
    row, arm = np.nonzero(arms)
    out: dict = {}
    for name, values in batch.items():
        if name in ("action", "action_mask", "history", "history_mask", "proprio", "proprio_mask"):
            out[name] = values[row, arm]
        else:
            out[name] = picked(values, row)
    out["row"], out["arm"] = row, arm
    return out
