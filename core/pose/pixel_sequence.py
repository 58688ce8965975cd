"""What files of 2D keypoints hold of a clip: where the keypoints are in the picture, and nothing of depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .clip import PoseClip
from .skeleton import KEYPOINT_COUNT


@dataclass(frozen=True)
class PixelSequence:
    """Keypoints of T pictures of one size, with up to P people.

    pixels   float32 [T, P, 134, 2], y down; 0, 0 where absent
    present  bool [T, P, 134]
    """

    pixels: np.ndarray
    present: np.ndarray
    width: int
    height: int

    @classmethod
    def of_clip(cls, clip: PoseClip) -> PixelSequence:
        """What a detector would see: points off the canvas or behind the camera are absent."""
        pixels = clip.pixels()
        on_canvas = ((pixels >= 0) & (pixels < [clip.width, clip.height])).all(axis=-1)
        present = clip.drawable() & on_canvas
        return cls(np.where(present[..., None], pixels, np.float32(0)), present, clip.width, clip.height)

    @classmethod
    def of_triples(cls, frames: Sequence[Sequence[np.ndarray]], width: int, height: int) -> PixelSequence:
        """From the people [134, 3] of each frame: x, y, and a confidence that is above 0 where the point is present."""
        triples = np.zeros((len(frames), max(map(len, frames), default=0), KEYPOINT_COUNT, 3), np.float32)
        for frame, people in zip(triples, frames, strict=True):
            frame[: len(people)] = people
        present = triples[..., 2] > 0
        return cls(np.where(present[..., None], triples[..., :2], np.float32(0)), present, width, height)

    def triples(self) -> np.ndarray:
        """float64 [T, P, 134, 3]: x, y, and 1 or 0; zeros where absent. Thousandths of a pixel are the finest that is kept."""
        points = np.round(self.pixels.astype(float), 3)
        return np.concatenate([points, np.ones_like(points[..., :1])], axis=-1) * self.present[..., None]
