"""Every picture that can be drawn of a clip, by name; and a plain skeleton for people to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidRequest
from ..pose.clip import PoseClip
from . import body_maps, cylinders, face, openpose
from .openpose import WAN_TOES, Style, Widths, draw_openpose

DrawFrame = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Picture:
    """One kind of control picture: what reads it; and, from clip, width and height, what draws a frame by its index."""

    title: str
    prepare: Callable[[PoseClip, int, int], DrawFrame]


def _skeleton(name: str) -> Callable[[PoseClip, int, int], DrawFrame]:
    style = openpose.STYLES[name]
    return lambda clip, width, height: lambda frame: openpose.draw_clip_frame(clip, frame, width, height, style)


PICTURES: dict[str, Picture] = {
    "openpose": Picture("skeleton, hands and face as controlnet_aux draws them", _skeleton("openpose")),
    "dwpose": Picture("the same as DWPose draws them: AnimateAnyone, Champ", _skeleton("dwpose")),
    "wan-animate": Picture("skeleton with toes: Wan-Animate", _skeleton("wan-animate")),
    "musepose": Picture("skeleton with limbs as wide as long: MusePose", _skeleton("musepose")),
    "unianimate": Picture("skeleton with toes: UniAnimate", _skeleton("unianimate")),
    "mimicmotion": Picture("fine skeleton: MimicMotion", _skeleton("mimicmotion")),
    "vace": Picture("skeleton and face: VACE", _skeleton("vace")),
    "face": Picture("contours of the face: AniPortrait", face.aniportrait),
    "densepose": Picture("parts of the body: MagicAnimate", body_maps.densepose),
    "depth": Picture("depth of the body: Champ, ControlNet", body_maps.depth),
    "normal": Picture("normals of the body: Champ, ControlNet", body_maps.normal),
    "semantic": Picture("the joints that move the body: Champ's semantic_map", body_maps.semantic),
    "scail": Picture("lit capsules along the limbs: SCAIL", cylinders.scail),
}


def draw(clip: PoseClip, style: str, width: int, height: int, frames: Iterable[int] | None = None) -> Iterator[np.ndarray]:
    """Pictures uint8 [height, width, 3] of these frames (indices, in order; None: all), as `style`, a key of `PICTURES`, says.

    Channels are in the order that the style's model reads. Another aspect than the clip's keeps its whole picture. Raises
    `InvalidRequest` for a style that there is not.
    """
    if style not in PICTURES:
        raise InvalidRequest(f"There is no control picture {style!r}.", f"Choose one of {', '.join(PICTURES)}.")
    draw_frame = PICTURES[style].prepare(clip, width, height)
    return map(draw_frame, range(len(clip)) if frames is None else frames)


def draw_guide(points: np.ndarray, drawable: np.ndarray, width: int, height: int) -> np.ndarray:
    """Body and toes of keypoints [P, 134, 2], pixels: uint8 [height, width, 3]."""
    return draw_openpose(points, drawable, width, height, _GUIDE)


_GUIDE = Style(
    widths=lambda short_side: Widths(stick=max(2, round(short_side / 96))),
    hands=False,
    face=False,
    toes=WAN_TOES,
    layered=False,
)
