"""The posed body as pictures: DensePose's parts, depth, normals and SMPL's joints, all of the mannequin's surface.

Each function takes a scene and gives back what draws a frame, by its index, as uint8 [height, width, 3].
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np

from ..pose.clip import PoseClip
from ..pose.mannequin import BodyPart, bodies, statures
from ..pose.mesh_parts import PART_COLOURS
from ..pose.surface import Lens, Surface, look_at

DrawFrame = Callable[[int], np.ndarray]

# Of SMPL's joints, as Champ's renderer has them; RGB.
JOINT_COLOURS = cv2.applyColorMap(np.arange(0, 240, 10, dtype=np.uint8), cv2.COLORMAP_VIRIDIS)[:, 0, ::-1]
NEAREST, FARTHEST = 255, 51  # brightness of depth


class Scene:
    """A clip as pictures of width x height show it: a frame's body is cast once for all pictures made of it in turn."""

    def __init__(self, clip: PoseClip, width: int, height: int):
        self.clip, self.width, self.height = clip, width, height
        self._last: tuple[int, list[BodyPart], Surface] | None = None

    @functools.cached_property
    def tall(self) -> np.ndarray:
        """How tall the clip's people are, f32 [P] metres."""
        return statures(self.clip)

    def cast(self, frame: int) -> tuple[list[BodyPart], Surface]:
        """The body's parts in a frame, by its index, and their surface [height, width]."""
        if self._last is None or self._last[0] != frame:
            parts = bodies(self.clip, frame, self.tall)
            lens = Lens.of(self.clip, frame, self.width, self.height)
            self._last = frame, parts, look_at([part.cone for part in parts], lens, self.width, self.height)
        return self._last[1:]


def densepose(scene: Scene) -> DrawFrame:
    """Parts in the colours that MagicAnimate reads, on its violet ground."""

    def colours(parts: list[BodyPart], seen: Surface) -> np.ndarray:
        numbers = np.array([part.parts for part in parts])[seen.label]
        facing = np.array([part.facing for part in parts])[seen.label]
        return PART_COLOURS[np.where((seen.normal * facing).sum(-1) >= 0, numbers[:, 0], numbers[:, 1])]

    return _of_surface(scene, colours, ground=PART_COLOURS[0])


def semantic(scene: Scene) -> DrawFrame:
    """Which of SMPL's joints moves a place, in the colours that Champ reads, on black."""

    def colours(parts: list[BodyPart], seen: Surface) -> np.ndarray:
        joints = np.array([(part.joints * 2)[:2] for part in parts])
        return JOINT_COLOURS[joints[seen.label, (seen.along >= 0.5).astype(int)]]

    return _of_surface(scene, colours)


def depth(scene: Scene) -> DrawFrame:
    """Grey, linear in z and brighter where nearer, over the whole clip, so that a step forward gets brighter; on black."""
    drawable = scene.clip.drawable()
    z = scene.clip.points_cam[..., 2][drawable] if drawable.any() else np.zeros(1)
    around = 0.1 * scene.tall.max()  # the body around the joints
    near, far = z.min() - around, z.max() + around

    def colours(_parts: list[BodyPart], seen: Surface) -> np.ndarray:
        share = np.clip((far - seen.depth) / (far - near), 0, 1)
        return np.round(FARTHEST + share * (NEAREST - FARTHEST))[:, None]

    return _of_surface(scene, colours)


def normal(scene: Scene) -> DrawFrame:
    """Normals in camera space: red is right, green is up, blue is towards the camera; on black."""

    def colours(_parts: list[BodyPart], seen: Surface) -> np.ndarray:
        return np.round((seen.normal * (1, -1, -1) + 1) * 127.5)

    return _of_surface(scene, colours)


def _of_surface(
    scene: Scene, colours: Callable[[list[BodyPart], Surface], np.ndarray], ground: np.ndarray | int = 0
) -> DrawFrame:
    """Draws what `colours` says, [n, 3] or [n, 1], of the n pixels in which the body is seen."""

    def draw_frame(frame: int) -> np.ndarray:
        parts, surface = scene.cast(frame)
        where = surface.label >= 0
        picture = np.full((scene.height, scene.width, 3), ground, np.uint8)
        if where.any():
            seen = surface.at(where)
            picture[where] = colours(parts, seen)
        return picture

    return draw_frame
