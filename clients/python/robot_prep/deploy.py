"""From what a policy says in camera axes to where the robot must go. float64 4x4 matrices, metres."""
from __future__ import annotations

import numpy as np

from . import geometry


def base_from_ee_of(proprio: np.ndarray, base_from_cam: np.ndarray, layout: str = "rows") -> np.ndarray:
    """Pose of the end effector (or of the tool that the plan's numbers are for) now.

    ``proprio`` [..., 10] as the batch has it, not normalised; ``base_from_cam`` [..., 4, 4] of the row's reference camera
    (the identity for reference "base"). Returns baseFromEe [..., 4, 4].
    """
    proprio, base_from_cam = np.asarray(proprio, np.float64), np.asarray(base_from_cam, np.float64)
    cam_from_ee = np.zeros((*proprio.shape[:-1], 4, 4))
    cam_from_ee[..., :3, :3] = geometry.rotation_from_rot6d(proprio[..., 3:9], layout)
    cam_from_ee[..., :3, 3], cam_from_ee[..., 3, 3] = proprio[..., :3], 1
    return base_from_cam @ cam_from_ee


def poses_of_actions(action: np.ndarray, base_from_cam: np.ndarray, base_from_ee: np.ndarray, layout: str = "rows") -> tuple[np.ndarray, np.ndarray]:
    """Where the end effector must be after each step of a chunk, all counted from now.

    ``action`` [..., T, 10] in camera axes, not normalised; ``base_from_cam`` [..., 4, 4] reference camera; ``base_from_ee``
    [..., 4, 4] the pose now. ``R(Ek) = Rcb^T R Rcb R(E0)``, ``p(Ek) = p(E0) + Rcb^T t``. Returns baseFromEe [..., T, 4, 4]
    and openness [..., T], 0 closed to 1 open.
    """
    action = np.asarray(action, np.float64)
    from_cam = np.asarray(base_from_cam, np.float64)[..., None, :3, :3]
    now = np.asarray(base_from_ee, np.float64)[..., None, :, :]
    turn = geometry.rotation_from_rot6d(action[..., 3:9], layout)
    out = np.zeros((*action.shape[:-1], 4, 4))
    out[..., :3, :3] = from_cam @ turn @ np.swapaxes(from_cam, -1, -2) @ now[..., :3, :3]
    out[..., :3, 3] = now[..., :3, 3] + (from_cam @ action[..., :3, None])[..., 0]
    out[..., 3, 3] = 1
    return out, np.clip((action[..., 9] + 1) / 2, 0, 1)


def flange_from_tool(base_from_tool: np.ndarray, ee_from_tool) -> np.ndarray:
    """For robots that are commanded at the flange, from plans whose tool is canonical: ``baseFromTool inv(eeFromTool)``.

    ``ee_from_tool``: 16 numbers or 4x4, `robots[name].eeFromTool` of a dataset's metadata (:meth:`PrepDataset.robot`).
    """
    tool = np.asarray(ee_from_tool, np.float64).reshape(4, 4)
    inverse = np.eye(4)
    inverse[:3, :3], inverse[:3, 3] = tool[:3, :3].T, -tool[:3, :3].T @ tool[:3, 3]
    return np.asarray(base_from_tool, np.float64) @ inverse
