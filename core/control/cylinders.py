"""SCAIL's pictures: lit capsules along the limbs in 3D, coloured by limb, with hands, eyes and mouth drawn over them in 2D.

Lengths are those of somebody 1.7 m tall, in millimetres, before the 55 degree lens that SCAIL's own pose estimation assumes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..pose.clip import PoseClip
from ..pose.mannequin import statures
from ..pose.skeleton import BODY_LIMBS
from ..pose.surface import NEAR, Lens, RoundCone, look_at, rays
from .openpose import Style, Widths, draw_on, far_to_near

RADIUS = 21.5
_TALL = 1700.0
_HALF_ANGLE = np.radians(27.5)
_CODES = "ff0000 00ffff ff5500 ffaa00 00aaff 0055ff b4ff00 00ff00 00ff55 0000ff 5500ff aa00ff 969696"
COLOURS = np.array([tuple(bytes.fromhex(code)) for code in _CODES.split()])
LIMBS = BODY_LIMBS[: len(COLOURS)]


def _overlay_widths(short_side: int) -> Widths:
    width = min(max(short_side // 300, 1), 2)
    return Widths(hand_line=width, hand_point=width)


OVERLAY = Style(
    widths=_overlay_widths,
    head_only=True,
    face_points=(*range(17, 27), *range(36, 68)),  # brows, eyes and mouth
    layered=False,
)


def scail(clip: PoseClip, width: int, height: int) -> Callable[[int], np.ndarray]:
    """What draws a frame, by its index, as uint8 [height, width, 3]."""
    tall, drawable = statures(clip), clip.drawable()
    colours = COLOURS / 300 + 0.15

    def millimetres(z: np.ndarray, lens: Lens) -> np.ndarray:
        """Depths as SCAIL's camera would tell them that sees people as large as this one does."""
        zoom = 1.0 if lens.orthographic else max(width, height) / (2 * np.tan(_HALF_ANGLE)) / lens.matrix[0, 0]
        return z * zoom * _TALL / float(np.median(tall))

    used = np.unique(LIMBS)
    depths = [
        millimetres(clip.points_cam[frame, :, used, 2][drawable[frame][:, used].T], Lens.of(clip, frame, width, height))
        for frame in range(len(clip))
    ]
    seen = np.concatenate(depths)
    near, far = (max(seen.min(), 0.1), min(seen.max() + 6000, 20000)) if len(seen) else (0.1, 20000)

    def draw_frame(frame: int) -> np.ndarray:
        lens = Lens.of(clip, frame, width, height)
        points = clip.points_cam[frame].astype(float)
        shown = drawable[frame] & (points[..., 2] > NEAR)
        limbs = [
            (person, limb)
            for person in range(len(tall))
            for limb, joints in enumerate(LIMBS)
            if shown[person, list(joints)].all()
        ]
        radii = RADIUS / _TALL * tall
        capsules = [
            RoundCone(points[person, LIMBS[limb][0]], points[person, LIMBS[limb][1]], radii[person], radii[person])
            for person, limb in limbs
        ]
        surface = look_at(capsules, lens, width, height)
        where = surface.label >= 0
        picture = np.zeros((height, width, 3), np.uint8)
        if where.any():
            capsule = surface.at(where)
            colour = colours[[limb for _person, limb in limbs]][capsule.label]
            _origins, directions = rays((slice(0, height), slice(0, width)), lens)
            half_way = -directions[where] - (0.0, 0.0, 1.0)
            half_way /= np.linalg.norm(half_way, axis=-1, keepdims=True)
            diffuse = 0.3 + 0.7 * np.maximum(-capsule.normal[:, 2:], 0)
            highlight = np.maximum((capsule.normal * half_way).sum(-1, keepdims=True), 0) ** 32
            fade = np.clip(1 - (millimetres(capsule.depth[:, None], lens) - near) / (far - 0.1), 0, 1)
            picture[where] = np.clip((colour * diffuse + 0.5 * highlight) * fade, 0, 1) * 255
        draw_on(picture, *far_to_near(clip, frame, width, height), OVERLAY)
        return picture

    return draw_frame
