"""Keypoints to the skeleton picture that pose-guided models read, in each of the looks that they were trained on.

The geometry is OpenPose's as controlnet_aux draws it: a limb is a filled ellipse polygon at 0.6 of its colour, a joint a disc
at full colour; coordinates are truncated, never rounded. What differs from model to model is data: see `STYLES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from ..pose.clip import PoseClip
from ..pose.skeleton import (
    BODY,
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

Colour = tuple[int, ...]  # RGB

FACE_POINT: Colour = (255, 255, 255)
FACE_RADIUS = 3
_HEAD_LIMBS = slice(13, 17)  # nose, eyes and ears
_TOE_JOINTS = (18, 19)  # left and right, of a body that has them
_TOE_POINTS = np.array([(big, small) for _ankle, big, small, _limb, _joint in TOES])


@dataclass(frozen=True)
class Toes:
    """Colours of the left and the right toe, whose point is the mean of big and small toe."""

    limbs: tuple[Colour, ...]
    joints: tuple[Colour, ...]


@dataclass(frozen=True)
class Widths:
    """Pixels of the canvas: half width of limbs and radius of joints; thickness of fingers; radius of their points."""

    stick: int = 4
    hand_line: int = 2
    hand_point: int = 4


_USUAL_WIDTHS = Widths()


def usual_widths(_short_side: int) -> Widths:
    return _USUAL_WIDTHS


def as_asked(width: int, height: int) -> tuple[int, int]:
    return width, height


def short_side(pixels: int, multiple: int = 1) -> Callable[[int, int], tuple[int, int]]:
    """The canvas of this short side in the aspect asked for, both sides rounded to a multiple."""

    def canvas(width: int, height: int) -> tuple[int, int]:
        scale = pixels / min(width, height)
        return round(width * scale / multiple) * multiple, round(height * scale / multiple) * multiple

    return canvas


@dataclass(frozen=True)
class Style:
    """What one model expects of its skeleton pictures.

    canvas         width and height that are drawn, from those asked for; the drawing is then resized
    widths         from the length of the canvas's short side
    by_length      limbs and fingers are the wider the longer they are, as `width_by_length` says, instead
    toes           None: no toes are drawn
    head_only      of the body only the lines from the nose to eyes and ears are drawn, and no joints
    face_points    which of the 68 are drawn
    layered        everybody's limbs, then everybody's joints, hands, faces (DWPose); else person by person (OpenPose)
    one_person     only the nearest person is drawn
    swapped        red and blue are exchanged, as the model's own preprocessing does
    interpolation  how the canvas is resized, as a flag of cv2
    """

    canvas: Callable[[int, int], tuple[int, int]] = as_asked
    widths: Callable[[int], Widths] = usual_widths
    by_length: bool = False
    hands: bool = True
    face: bool = True
    toes: Toes | None = None
    head_only: bool = False
    face_points: tuple[int, ...] = tuple(range(68))
    layered: bool = True
    one_person: bool = False
    swapped: bool = False
    interpolation: int = cv2.INTER_LINEAR
    # Derived, so that nothing is looked up or computed while drawing: joints that are joined, and colours.
    limbs: tuple[tuple[int, int, Colour], ...] = field(init=False, repr=False)
    joints: tuple[Colour, ...] = field(init=False, repr=False)
    fingers: tuple[tuple[int, int, Colour], ...] = field(init=False, repr=False)
    finger_point: Colour = field(init=False, repr=False)

    def __post_init__(self):
        def seen(colour: Colour) -> Colour:
            return colour[::-1] if self.swapped else colour

        limbs = list(zip(BODY_LIMBS, BODY_COLOURS, strict=False))
        joints = BODY_COLOURS
        if self.toes:
            ankles = [ankle for ankle, *_rest in TOES]
            limbs += zip(zip(ankles, _TOE_JOINTS, strict=True), self.toes.limbs, strict=True)
            joints += self.toes.joints
        if self.head_only:
            limbs, joints = limbs[_HEAD_LIMBS], ()
        derived = {
            "limbs": tuple((*limb, tuple(int(c * LIMB_BRIGHTNESS) for c in seen(colour))) for limb, colour in limbs),
            "joints": tuple(map(seen, joints)),
            "fingers": tuple((*edge, seen(colour)) for edge, colour in zip(HAND_EDGES, HAND_COLOURS, strict=True)),
            "finger_point": seen(HAND_JOINT_COLOUR),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)


def width_by_length(length: float) -> int:
    """MusePose's width of a line of `length` pixels: 1 below 5, one more with every doubling, at most 8."""
    return next((width for width, below in enumerate((5, 10, 20, 40, 80, 160, 320), 1) if length < below), 8)


def wan_widths(short_side: int) -> Widths:
    stick = max(short_side // 200 - 1, 1)
    return Widths(stick, hand_line=max(stick // 2, 1), hand_point=max(stick // 2, 1))


WAN_TOES = Toes(limbs=tuple(toe[3] for toe in TOES), joints=tuple(toe[4] for toe in TOES))
UNIANIMATE_TOES = Toes(limbs=((255, 0, 85), (170, 255, 255)), joints=((170, 255, 255), (255, 255, 0)))

STYLES: dict[str, Style] = {
    # controlnet_aux's OpenPose detector, which Moore-AnimateAnyone copies.
    "openpose": Style(canvas=short_side(512, 64), layered=False),
    "dwpose": Style(canvas=short_side(512, 64)),
    "wan-animate": Style(widths=wan_widths, face=False, toes=WAN_TOES, layered=False),
    "musepose": Style(
        canvas=short_side(1024, 64),
        widths=lambda _short_side: Widths(hand_point=3),
        by_length=True,
        face=False,
        one_person=True,
        swapped=True,
    ),
    "unianimate": Style(canvas=short_side(512), face=False, toes=UNIANIMATE_TOES, swapped=True),
    # Its colours are multiplied by the detector's confidence, which is 1 for a rig.
    "mimicmotion": Style(canvas=short_side(2160), swapped=True),
    "vace": Style(canvas=short_side(1024, 64), hands=False, swapped=True, interpolation=cv2.INTER_AREA),
}


def draw_openpose(points: np.ndarray, drawable: np.ndarray, width: int, height: int, style: Style) -> np.ndarray:
    """Draw people's keypoints [P, 134, 2] (or [134, 2]), pixels, where `drawable` [P, 134]; uint8 [height, width, 3].

    Later people are drawn over earlier ones. A point off the canvas is dropped. The canvas is as large as asked for:
    `style.canvas` is `draw_clip_frame`'s.
    """
    canvas = np.zeros((height, width, 3), np.uint8)
    draw_on(canvas, points, drawable, style)
    return canvas


def draw_on(canvas: np.ndarray, points: np.ndarray, drawable: np.ndarray, style: Style) -> None:
    """`draw_openpose` over what a canvas uint8 [height, width, 3] holds already."""
    points = points.reshape(-1, *points.shape[-2:]).astype(float)
    people = [_Person(*one, style, canvas.shape) for one in zip(points, drawable.reshape(points.shape[:-1]), strict=True)]
    if style.one_person:
        people = people[-1:]
    for layer in _LAYERS if style.layered else (_draw_person,):
        for person in people:
            layer(canvas, person, style)


def draw_clip_frame(clip: PoseClip, frame: int, width: int, height: int, style: Style) -> np.ndarray:
    """Frame `frame` (an index) of the clip as uint8 [height, width, 3]; the farthest person first.

    Another aspect than the clip's keeps its whole picture.
    """
    size = style.canvas(width, height)
    points, drawable = far_to_near(clip, frame, width, height)
    picture = draw_openpose(points * (np.array(size) / (width, height)), drawable, *size, style)
    return picture if size == (width, height) else cv2.resize(picture, (width, height), interpolation=style.interpolation)


def far_to_near(clip: PoseClip, frame: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [P, 134, 2], pixels, of one frame (by its index) and which can be drawn [P, 134]; the farthest person first."""
    one = clip.select([frame])
    order = np.argsort(-one.points_cam[0, :, INDEX["neck"], 2], kind="stable")
    return one.pixels(width, height)[0][order], one.drawable()[0][order]


class _Person:
    """What is drawn of one person."""

    def __init__(self, points: np.ndarray, drawable: np.ndarray, style: Style, canvas_shape: tuple[int, ...]):
        height, width, _channels = canvas_shape
        x, y = points.T.copy()  # contiguous, which makes the comparisons fast
        shown = drawable & (x >= 0) & (y >= 0) & (x < width) & (y < height)
        self.body, self.body_shown = points[BODY].tolist(), shown[BODY].tolist()
        if style.toes:
            self.body += points[_TOE_POINTS].mean(1).tolist()
            self.body_shown += shown[_TOE_POINTS].all(1).tolist()
        self.pixels = points.astype(np.int32)  # [134, 2], truncated
        # Hands and faces lose the points of the first row and column, bodies do not.
        self.shown = shown & (x >= 1) & (y >= 1)


def _draw_person(canvas: np.ndarray, person: _Person, style: Style) -> None:
    for layer in _LAYERS:
        layer(canvas, person, style)


def _draw_limbs(canvas: np.ndarray, person: _Person, style: Style) -> None:
    stick = style.widths(min(canvas.shape[:2])).stick
    points, shown = person.body, person.body_shown
    for start, end, colour in style.limbs:
        if shown[start] and shown[end]:
            (x0, y0), (x1, y1) = points[start], points[end]
            x, y = x0 - x1, y0 - y1
            length = math.sqrt(x * x + y * y)
            axes = (int(length / 2), width_by_length(length) if style.by_length else stick)
            middle = (int((x0 + x1) / 2), int((y0 + y1) / 2))
            polygon = cv2.ellipse2Poly(middle, axes, int(math.degrees(math.atan2(y, x))), 0, 360, 1)
            cv2.fillConvexPoly(canvas, polygon, colour)


def _draw_joints(canvas: np.ndarray, person: _Person, style: Style) -> None:
    radius = style.widths(min(canvas.shape[:2])).stick
    for (x, y), visible, colour in zip(person.body, person.body_shown, style.joints, strict=False):
        if visible:
            cv2.circle(canvas, (int(x), int(y)), radius, colour, -1)


def _draw_hands(canvas: np.ndarray, person: _Person, style: Style) -> None:
    if not style.hands:
        return
    widths = style.widths(min(canvas.shape[:2]))
    for hand in (LEFT_HAND, RIGHT_HAND):
        pixels, shown = person.pixels[hand], person.shown[hand]
        spots, seen = pixels.tolist(), shown.tolist()
        for start, end, colour in style.fingers:
            if seen[start] and seen[end]:
                first, second = spots[start], spots[end]
                width = width_by_length(math.dist(first, second)) if style.by_length else widths.hand_line
                cv2.line(canvas, first, second, colour, width)
        _draw_discs(canvas, pixels[shown], widths.hand_point, style.finger_point)


def _draw_face(canvas: np.ndarray, person: _Person, style: Style) -> None:
    if style.face:
        points = FACE.start + np.array(style.face_points)
        _draw_discs(canvas, person.pixels[points][person.shown[points]], FACE_RADIUS, FACE_POINT)


def _draw_discs(canvas: np.ndarray, centres: np.ndarray, radius: int, colour: Colour) -> None:
    """Discs of one colour around pixels int32 [n, 2], as `cv2.circle` fills them, in one call.

    The thick line from a point to itself that cv2 draws is its round cap: that very disc, at half the time.
    """
    if len(centres):
        cv2.polylines(canvas, centres[:, None], True, colour, 2 * radius)


_LAYERS = (_draw_limbs, _draw_joints, _draw_hands, _draw_face)
