"""The sampled skeleton in convex outlines, for the gpu, in the shapes and colours of `core.control`. numpy, no bpy.

Every outline, of as many corners, is stretched between two keypoints, or round one, from a table; later ones lie over earlier
ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..core.pose.skeleton import (
    BODY_COLOURS,
    BODY_LIMBS,
    FACE,
    HAND_COLOURS,
    HAND_EDGES,
    HAND_JOINT_COLOUR,
    KEYPOINT_COUNT,
    LEFT_HAND,
    LIMB_BRIGHTNESS,
    RIGHT_HAND,
    TOES,
)

RED = (255, 40, 40)
_HAND_LINE, _HAND_POINT, _FACE_POINT = 0.25, 1.0, 0.75  # half widths and radii, in those of a limb
_CORNERS = 16
_ANGLES = np.arange(_CORNERS) * (2 * np.pi / _CORNERS)
_ROUND = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1).astype(np.float32)
_SQUARE = np.array([(-1, -1), (1, -1), (1, 1), *[(-1, 1)] * (_CORNERS - 3)], np.float32)
_FAN = np.array([(0, corner, corner + 1) for corner in range(1, _CORNERS - 1)], np.int32)
_BIG_TOES, _SMALL_TOES = (np.array([toe[part] for toe in TOES]) for part in (1, 2))


class Outlines(NamedTuple):
    """corners float32 [S, 16, 2], colours float32 [S, 4] of 0 to 1."""

    corners: np.ndarray
    colours: np.ndarray


def triangles_of(count: int) -> np.ndarray:
    """The triangles that fill so many outlines, int32 [14 S, 3]: numbers of their corners, one outline after the other."""
    return (_CORNERS * np.arange(count, dtype=np.int32)[:, None, None] + _FAN).reshape(-1, 3)


class _Shape(NamedTuple):
    """`start` and `end` are keypoints, or the toes behind them; a disc where they are the same."""

    start: int
    end: int
    half_width: float
    colour: Sequence[float]
    square: bool = False


def _shapes():
    def dimmed(colour):
        return [int(channel * LIMB_BRIGHTNESS) for channel in colour]

    for (start, end), colour in zip(BODY_LIMBS, BODY_COLOURS, strict=False):
        yield _Shape(start, end, 1, dimmed(colour))
    for joint, colour in enumerate(BODY_COLOURS):
        yield _Shape(joint, joint, 1, colour)
    for toe, (ankle, _, _, limb, toe_colour) in enumerate(TOES, KEYPOINT_COUNT):
        yield _Shape(ankle, toe, 1, dimmed(limb))
        yield _Shape(toe, toe, 1, toe_colour)
    for hand in (LEFT_HAND, RIGHT_HAND):
        for (start, end), colour in zip(HAND_EDGES, HAND_COLOURS, strict=True):
            yield _Shape(hand.start + start, hand.start + end, _HAND_LINE, colour, square=True)
        for joint in range(hand.start, hand.stop):
            yield _Shape(joint, joint, _HAND_POINT, HAND_JOINT_COLOUR)
    for point in range(FACE.start, FACE.stop):
        yield _Shape(point, point, _FACE_POINT, (255, 255, 255))


_TABLE = tuple(_shapes())  # N of them
_STARTS, _ENDS = (np.array([getattr(shape, end) for shape in _TABLE]) for end in ("start", "end"))
_IS_DISC = _STARTS == _ENDS
_HALF_WIDTHS = np.array([shape.half_width for shape in _TABLE], np.float32)
_OUTLINES = np.stack([_SQUARE if shape.square else _ROUND for shape in _TABLE])  # [N, 16, 2]
_COLOURS = np.array([shape.colour for shape in _TABLE], np.float32) / 255


def stick_of(width: int, height: int) -> float:
    """Half the width of a limb, in pixels of a picture this size: 4 where the short side is 512."""
    return max(2.0, min(width, height) / 128)


def draw_people(points: np.ndarray, shown: np.ndarray, sticks: np.ndarray, opacity: float = 1.0) -> Outlines:
    """People's keypoints [P, 134, 2], pixels, where `shown` [P, 134]; later people over earlier ones.

    `sticks` [P] is half the width of their limbs.
    """
    toes = (points[:, _BIG_TOES] + points[:, _SMALL_TOES]) / 2
    points = np.concatenate([points, toes], axis=1, dtype=np.float32)
    shown = np.concatenate([shown, shown[:, _BIG_TOES] & shown[:, _SMALL_TOES]], axis=1)
    people, shapes = np.nonzero(shown[:, _STARTS] & shown[:, _ENDS])  # M shapes, person by person
    starts, ends = points[people, _STARTS[shapes]], points[people, _ENDS[shapes]]
    half_widths = sticks[people] * _HALF_WIDTHS[shapes]
    along = (ends - starts) / 2
    along[_IS_DISC[shapes], 0] = half_widths[_IS_DISC[shapes]]
    return _stretch(_OUTLINES[shapes], (starts + ends) / 2, along, half_widths, _COLOURS[shapes], opacity)


def draw_lines(starts: np.ndarray, ends: np.ndarray, width: float, colour: Sequence[int], opacity: float = 1.0) -> Outlines:
    """Bars [N, 2] to [N, 2], `width` pixels wide."""
    count = len(starts)
    outlines = np.broadcast_to(_SQUARE, (count, *_SQUARE.shape))
    colours = np.broadcast_to(np.array(colour, np.float32) / 255, (count, 3))
    return _stretch(outlines, (starts + ends) / 2, (ends - starts) / 2, np.full(count, width / 2), colours, opacity)


def draw_crosses(points: np.ndarray, size: float) -> Outlines:
    """Red crosses at [N, 2], pixels, that reach `size` to each side."""
    arms = np.array([(1, 1), (1, -1)]) * size
    starts, ends = (np.concatenate([points + sign * arm for arm in arms]) for sign in (-1, 1))
    return draw_lines(starts, ends, size / 2, RED)


def draw_frame(low: np.ndarray, high: np.ndarray, width: float, colour: Sequence[int], opacity: float) -> Outlines:
    """The outline of the rectangle between two corners [2]."""
    ring = np.array([low, (high[0], low[1]), high, (low[0], high[1])], float)
    return draw_lines(ring, np.roll(ring, -1, axis=0), width, colour, opacity)


def draw_rectangle(low: np.ndarray, high: np.ndarray, colour: Sequence[int], opacity: float) -> Outlines:
    middle = (low[1] + high[1]) / 2
    return draw_lines(np.array([(low[0], middle)]), np.array([(high[0], middle)]), abs(high[1] - low[1]), colour, opacity)


def _stretch(outlines, centres, along, half_widths, colours, opacity: float) -> Outlines:
    """`outlines` [M, 16, 2] to the half axes `along` [M, 2] and `half_widths` [M] across them."""
    across = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    across = across * (half_widths / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9))[:, None]
    corners = outlines @ np.stack([along, across], axis=1).astype(np.float32) + centres[:, None]
    rgba = np.full((len(corners), 4), opacity, np.float32)
    rgba[:, :3] = colours
    return Outlines(corners.astype(np.float32, copy=False), rgba)
