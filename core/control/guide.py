"""Every picture that can be drawn of a clip, by name; and a plain skeleton for people to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidRequest
from ..pose.clip import PoseClip
from . import body_maps, cylinders, face, openpose
from .body_maps import DrawFrame, Scene
from .openpose import WAN_TOES, Style, Widths, draw_openpose


@dataclass(frozen=True)
class Picture:
    """One kind of control picture: what reads it; and, from a scene, what draws a frame by its index."""

    title: str
    prepare: Callable[[Scene], DrawFrame]


def _skeleton(name: str) -> Callable[[Scene], DrawFrame]:
    style = openpose.STYLES[name]
    return lambda scene: lambda frame: openpose.draw_clip_frame(scene.clip, frame, scene.width, scene.height, style)


def _alone(prepare: Callable[[PoseClip, int, int], DrawFrame]) -> Callable[[Scene], DrawFrame]:
    """Of what shares nothing with other pictures."""
    return lambda scene: prepare(scene.clip, scene.width, scene.height)


PICTURES: dict[str, Picture] = {
    "openpose": Picture("skeleton, hands and face as controlnet_aux draws them", _skeleton("openpose")),
    "dwpose": Picture("the same as DWPose draws them: AnimateAnyone, Champ", _skeleton("dwpose")),
    "wan-animate": Picture("skeleton with toes: Wan-Animate", _skeleton("wan-animate")),
    "musepose": Picture("skeleton with limbs as wide as long: MusePose", _skeleton("musepose")),
    "unianimate": Picture("skeleton with toes: UniAnimate", _skeleton("unianimate")),
    "mimicmotion": Picture("fine skeleton: MimicMotion", _skeleton("mimicmotion")),
    "vace": Picture("skeleton and face: VACE", _skeleton("vace")),
    "face": Picture("contours of the face: AniPortrait", _alone(face.aniportrait)),
    "densepose": Picture("parts of the body: MagicAnimate", body_maps.densepose),
    "depth": Picture("depth of the body: Champ, ControlNet", body_maps.depth),
    "normal": Picture("normals of the body: Champ, ControlNet", body_maps.normal),
    "semantic": Picture("the joints that move the body: Champ's semantic_map", body_maps.semantic),
    "scail": Picture("lit capsules along the limbs: SCAIL", _alone(cylinders.scail)),
}


def draw(clip: PoseClip, style: str, width: int, height: int, frames: Iterable[int] | None = None) -> Iterator[np.ndarray]:
    """Pictures uint8 [height, width, 3] of these frames (indices, in order; None: all), as `style`, a key of `PICTURES`, says.

    Channels are in the order that the style's model reads. Another aspect than the clip's keeps its whole picture. Raises
    `InvalidRequest` for a style that there is not.
    """
    return (picture for (picture,) in draw_together(clip, [style], width, height, frames))


def draw_together(
    clip: PoseClip, styles: Sequence[str], width: int, height: int, frames: Iterable[int] | None = None
) -> Iterator[list[np.ndarray]]:
    """As `draw`, of each frame a picture in each of `styles`: what several of these show is looked for once."""
    for style in styles:
        if style not in PICTURES:
            raise InvalidRequest(f"There is no control picture {style!r}.", f"Choose one of {', '.join(PICTURES)}.")
    scene = Scene(clip, width, height)
    drawers = [PICTURES[style].prepare(scene) for style in styles]
    return ([draw_frame(frame) for draw_frame in drawers] for frame in (range(len(clip)) if frames is None else frames))


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
