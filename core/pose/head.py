"""Nose, eyes and ears from where a head is and where it looks. numpy, broadcasting over leading dimensions.

The head's frame is three orthonormal vectors: `side` points to the character's own left, `up` out of the crown, `forward`
out of the face. Five points, always in COCO order: nose, right eye, left eye, right ear, left ear.
"""

from __future__ import annotations

import numpy as np

# Offsets from the top of the head, in statures: to the character's left, up, forward of the ears' axis. Anchored at the top
# because the height of the head joint differs from rig to rig, and that of the crown does not.
OFFSETS = np.array(
    [
        (0.0, -0.095, 0.075),
        (-0.0185, -0.073, 0.058),
        (0.0185, -0.073, 0.058),
        (-0.049, -0.083, 0.0),
        (0.049, -0.083, 0.0),
    ]
)

# A detector sees a point until its normal turns this far from the camera: nose (forward), eyes (33 degrees outward of forward),
# ears (straight out to the side).
_EYE_OUTWARD = np.radians(33)
_NORMALS = np.array(
    [
        (0.0, 1.0),
        (-np.sin(_EYE_OUTWARD), np.cos(_EYE_OUTWARD)),
        (np.sin(_EYE_OUTWARD), np.cos(_EYE_OUTWARD)),
        (-1.0, 0.0),
        (1.0, 0.0),
    ]
)  # (side, forward)
_NOSE_LIMIT, _EYE_LIMIT, _EAR_LIMIT = np.cos(np.radians(110)), -0.1, np.cos(np.radians(115))
_LIMITS = np.array([_NOSE_LIMIT, _EYE_LIMIT, _EYE_LIMIT, _EAR_LIMIT, _EAR_LIMIT])


def head_keypoints(
    top: np.ndarray, side: np.ndarray, up: np.ndarray, forward: np.ndarray, stature: np.ndarray | float
) -> np.ndarray:
    """Nose, right eye, left eye, right ear, left ear: [..., 5, 3], in the space and unit of `top`.

    `top` [..., 3] is the crown above the ears' axis; `side`, `up`, `forward` [..., 3] are unit vectors; `stature` [...] is the
    height of the whole person.
    """
    frame = np.stack(np.broadcast_arrays(side, up, forward), axis=-2)  # [..., 3, 3], one vector a row
    offsets = np.asarray(stature)[..., None, None] * (OFFSETS @ frame)
    return np.asarray(top)[..., None, :] + offsets


def head_visible(to_camera: np.ndarray, side: np.ndarray, up: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Which of the five points a detector would report: bool [..., 5].

    `to_camera` [..., 3] is the unit vector from the head to the camera. By yaw: all five from the front; the far ear goes at
    30 degrees, then the far eye, the nose by 120, the near eye; from behind, two lone ears. Tilt (`up`) hides nothing.
    """
    toward = np.stack([np.sum(to_camera * side, axis=-1), np.sum(to_camera * forward, axis=-1)], axis=-1)  # [..., 2]
    return toward @ _NORMALS.T > _LIMITS
