"""Pinhole and orthographic projection. Camera space: metres, x right, y down, z forward."""

from __future__ import annotations

import numpy as np


def project(points_cam: np.ndarray, intrinsics: np.ndarray, orthographic: np.ndarray) -> np.ndarray:
    """Camera-space points [T, P, K, 3], metres, to pixels [T, P, K, 2], y down.

    `intrinsics` is [T, 3, 3] in pixels; where `orthographic` [T] holds, its scale is pixels a metre. A point at or behind
    the camera plane has no picture: it is projected as if 0.1 mm in front, and `PoseClip.drawable()` leaves it out.
    """
    depth = np.maximum(points_cam[..., 2], 1e-4)
    depth = np.where(orthographic[:, None, None], 1.0, depth)
    plane = points_cam[..., :2] / depth[..., None]
    pixels = np.einsum("tij,tpkj->tpki", intrinsics[:, :2, :2], plane) + intrinsics[:, None, None, :2, 2]
    return pixels.astype(np.float32)
