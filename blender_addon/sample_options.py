"""What to sample: the people, the frames, and where they are seen from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import bpy

from ..core.pose.align import Proportions

Rows = tuple[tuple[float, ...], ...]


class Person(NamedTuple):
    """One person of the clip.

    name        as the clip calls it
    armature    or an empty that instances a collection with one armature that moves a mesh
    mapping     role -> bone name; None to detect it
    instancers  the empties through which the armature is seen, outermost first: each instance is a person of its own. Empty
                for an armature that stands in the scene itself
    """

    name: str
    armature: bpy.types.Object
    mapping: Mapping[str, str] | None = None
    instancers: tuple[bpy.types.Object, ...] = ()


class Alignment(NamedTuple):
    """What proportions a person is to have, and how far to go there: 0, not at all, to 1."""

    proportions: Proportions
    strength: float


@dataclass(frozen=True)
class View:
    """A 3D viewport as it stood when sampling was asked for: it may be gone, or turned, before the last frame is sampled."""

    view_matrix: Rows  # world to view space
    window_matrix: Rows  # view to clip space
    perspective: bool
    through_camera: bool
    width: int
    height: int

    @classmethod
    def from_region(cls, region: bpy.types.Region, rv3d: bpy.types.RegionView3D) -> View:
        return cls(
            view_matrix=_rows(rv3d.view_matrix),
            window_matrix=_rows(rv3d.window_matrix),
            perspective=rv3d.is_perspective,
            through_camera=rv3d.view_perspective == "CAMERA",
            width=region.width,
            height=region.height,
        )


@dataclass(frozen=True)
class SampleOptions:
    """What to sample.

    people         in the clip's order
    frames         scene frame numbers, in the clip's order
    width, height  of the picture, pixels: the camera is taken as if it rendered this size; a viewport is fitted into it whole
    source         where to look from; a viewport that looks through the scene's camera follows that camera
    view           of source VIEWPORT
    occlusion      leave out the keypoints that the scene's other geometry hides; not those hidden by the person's own body,
                   which detectors report too
    alignments     of the people, in their order; empty where nobody is aligned
    keyframes      where nothing but keyframes moves people and camera, evaluate these without going to the frames
    """

    people: tuple[Person, ...]
    frames: Sequence[int]
    width: int
    height: int
    source: Literal["CAMERA", "VIEWPORT"] = "CAMERA"
    view: View | None = None
    occlusion: bool = False
    alignments: tuple[Alignment | None, ...] = ()
    keyframes: bool = True

    @property
    def uses_camera(self) -> bool:
        return self.source == "CAMERA" or (self.view is not None and self.view.through_camera)


def _rows(matrix) -> Rows:
    return tuple(tuple(row) for row in matrix)
