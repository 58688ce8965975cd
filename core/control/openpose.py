"""Keypoints to the OpenPose skeleton picture that pose-guided models read (RGB, black ground)."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ..pose.clip import PoseClip
from ..pose.skeleton import (
    BODY_COLOURS,
    BODY_LIMBS,
    FACE,
    HAND_COLOURS,
    HAND_EDGES,
    HAND_JOINT_COLOUR,
    INDEX,
    LEFT_HAND,
    LIMB_BRIGHTNESS,
    RIGHT_HAND,
    TOES,
)

_LIMB_COLOURS = [tuple(int(channel * LIMB_BRIGHTNESS) for channel in colour) for colour in BODY_COLOURS]


def draw_openpose(
    points: np.ndarray,
    drawable: np.ndarray,
    width: int,
    height: int,
    *,
    stick: int = 4,
    hands: bool = True,
    face: bool = True,
    toes: bool = False,
) -> np.ndarray:
    """Draw people's keypoints [P, 134, 2] (or [134, 2]), pixels, where `drawable` [P, 134]; uint8 [height, width, 3].

    `stick` is the limbs' half width and the joints' radius, in pixels. Later people are drawn over earlier ones. A point
    off the canvas is dropped. The drawing is controlnet_aux's: filled ellipses at 0.6 brightness, then discs.
    """
    canvas = np.zeros((height, width, 3), np.uint8)
    points = points.reshape(-1, *points.shape[-2:])
    inside = (points >= 0).all(-1) & (points[..., 0] < width) & (points[..., 1] < height)
    present = drawable.reshape(inside.shape) & inside
    for person, shown in zip(points.tolist(), present.tolist(), strict=True):
        _draw_body(canvas, person, shown, stick)
        if toes:
            _draw_toes(canvas, person, shown, stick)
        if hands:
            _draw_hand(canvas, person[LEFT_HAND], shown[LEFT_HAND])
            _draw_hand(canvas, person[RIGHT_HAND], shown[RIGHT_HAND])
        if face:
            for (x, y), visible in zip(person[FACE], shown[FACE], strict=True):
                if visible:
                    cv2.circle(canvas, (int(x), int(y)), 3, (255, 255, 255), thickness=-1)
    return canvas


def draw_clip_frame(clip: PoseClip, frame: int, width: int, height: int, **style) -> np.ndarray:
    """Frame `frame` (an index) of the clip, fitted into `width` x `height`; the farthest person first.

    `style` goes to `draw_openpose`.
    """
    one = clip.select([frame])
    order = np.argsort(-one.points_cam[0, :, INDEX["neck"], 2], kind="stable")
    return draw_openpose(one.pixels(width, height)[0][order], one.drawable()[0][order], width, height, **style)


def _draw_limb(canvas: np.ndarray, start: list[float], end: list[float], stick: int, colour: tuple) -> None:
    (x0, y0), (x1, y1) = start, end
    middle = (int((x0 + x1) / 2), int((y0 + y1) / 2))
    length = math.hypot(x0 - x1, y0 - y1)
    angle = math.degrees(math.atan2(y0 - y1, x0 - x1))
    polygon = cv2.ellipse2Poly(middle, (int(length / 2), stick), int(angle), 0, 360, 1)
    cv2.fillConvexPoly(canvas, polygon, colour)


def _draw_body(canvas: np.ndarray, points: list, shown: list, stick: int) -> None:
    for (start, end), colour in zip(BODY_LIMBS, _LIMB_COLOURS, strict=False):
        if shown[start] and shown[end]:
            _draw_limb(canvas, points[start], points[end], stick, colour)
    for number, colour in enumerate(BODY_COLOURS):
        if shown[number]:
            x, y = points[number]
            cv2.circle(canvas, (int(x), int(y)), stick, colour, thickness=-1)


def _draw_toes(canvas: np.ndarray, points: list, shown: list, stick: int) -> None:
    for ankle, big, small, limb, joint in TOES:
        if not (shown[big] and shown[small]):
            continue
        toe = [(points[big][axis] + points[small][axis]) / 2 for axis in (0, 1)]
        if shown[ankle]:
            _draw_limb(canvas, points[ankle], toe, stick, tuple(int(c * LIMB_BRIGHTNESS) for c in limb))
        cv2.circle(canvas, (int(toe[0]), int(toe[1])), stick, joint, thickness=-1)


def _draw_hand(canvas: np.ndarray, points: list, shown: list) -> None:
    shown = [visible and int(x) > 0 and int(y) > 0 for visible, (x, y) in zip(shown, points, strict=True)]
    for (start, end), colour in zip(HAND_EDGES, HAND_COLOURS, strict=True):
        if shown[start] and shown[end]:
            (x0, y0), (x1, y1) = points[start], points[end]
            cv2.line(canvas, (int(x0), int(y0)), (int(x1), int(y1)), colour, thickness=2)
    for (x, y), visible in zip(points, shown, strict=True):
        if visible:
            cv2.circle(canvas, (int(x), int(y)), 4, HAND_JOINT_COLOUR, thickness=-1)
