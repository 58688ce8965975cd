"""The small skeleton picture that the bundled model's pose guider reads. Training and inference draw it alike."""

from __future__ import annotations

import cv2
import numpy as np

from .openpose import draw_openpose


def draw_guide(points: np.ndarray, drawable: np.ndarray, width: int, height: int, shrink: int = 2) -> np.ndarray:
    """Body and toes of keypoints [P, 134, 2], pixels of the whole frame: uint8 [height / shrink, width / shrink, 3]."""
    stick = max(2, round(min(width, height) / 96))
    picture = draw_openpose(points, drawable, width, height, stick=stick, hands=False, face=False, toes=True)
    return cv2.resize(picture, (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
