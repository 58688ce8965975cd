"""AniPortrait's pictures: the contours of faces as coloured lines, drawn at 512 x 512 and then resized.

AniPortrait draws the contours of MediaPipe's 468 points; these are the same contours through the 68 points of a clip.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np

from ..pose.clip import PoseClip
from ..pose.skeleton import FACE
from .openpose import far_to_near

SIZE = 512
THICKNESS = 2
LINES: tuple[tuple[tuple[int, int, int], tuple[int, ...]], ...] = (  # colour, points in order; sides are the person's own
    ((10, 200, 10), tuple(range(17))),  # jaw, from the right ear
    ((180, 200, 10), (42, 43, 44, 45, 46, 47, 42)),  # left eye
    ((180, 220, 10), (22, 23, 24, 25, 26)),  # left brow
    ((10, 200, 180), (36, 37, 38, 39, 40, 41, 36)),  # right eye
    ((10, 220, 180), (17, 18, 19, 20, 21)),  # right brow
    ((10, 180, 20), (48, 59, 58, 57)),  # lower lip, outer, right and left half
    ((20, 10, 180), (57, 56, 55, 54)),
    ((100, 100, 30), (60, 67, 66)),  # and inner
    ((100, 150, 50), (66, 65, 64)),
    ((20, 80, 100), (48, 49, 50, 51)),  # upper lip, outer
    ((80, 100, 20), (51, 52, 53, 54)),
    ((120, 100, 200), (60, 61, 62)),  # and inner
    ((150, 120, 100), (62, 63, 64)),
)


def aniportrait(clip: PoseClip, width: int, height: int) -> Callable[[int], np.ndarray]:
    """What draws a frame, by its index, as uint8 [height, width, 3]; a line goes where both of its points are."""

    def draw_frame(frame: int) -> np.ndarray:
        canvas = np.zeros((SIZE, SIZE, 3), np.uint8)
        points, drawable = far_to_near(clip, frame, width, height)
        pixels = points[:, FACE] * (SIZE / width, SIZE / height)
        shown = drawable[:, FACE] & ((pixels >= 0) & (pixels < SIZE)).all(-1)
        for face, seen in zip(pixels.astype(int).tolist(), shown.tolist(), strict=True):
            for colour, line in LINES:
                for start, end in pairwise(line):
                    if seen[start] and seen[end]:
                        cv2.line(canvas, face[start], face[end], colour, THICKNESS)
        return cv2.resize(canvas, (width, height))

    return draw_frame
