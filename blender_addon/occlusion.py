"""Which points of a person the scene's geometry hides, ray by ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Vector

from ..core.pose.rig import Attachment
from .bodies import moves_with
from .sample_options import Person
from .viewpoint import Eye

# How far short of a point its ray ends, in statures: toes lie a little below a floor as often as above it, and hands rest on
# tables.
_MARGIN = 0.03
_SEEN_THROUGH = {"WIRE", "BOUNDS"}


@dataclass(frozen=True)
class Target:
    """The keypoints [N, 3] of a person in world space, and the person's stature there."""

    person: Person
    points: np.ndarray
    stature: float

    @classmethod
    def of(cls, person: Person, attachment: Attachment, matrices: np.ndarray, world: np.ndarray) -> Target:
        """`matrices` [B, 4, 4] map bones to armature space, `world` [4, 4] that to world space."""
        (points,) = attachment.points((world @ matrices)[None])
        return cls(person, points, attachment.stature * abs(np.linalg.det(world[:3, :3])) ** (1 / 3))


def find_hidden(depsgraph: bpy.types.Depsgraph, eye: Eye, targets: Sequence[Target]) -> list[np.ndarray]:
    """Of each target, which points something stands before, bool [N]: whatever has faces and is shown, other people too.

    What moves with a person hides none of the person's own points.
    """
    hidden = [np.zeros(len(target.points), bool) for target in targets]
    rays = [_rays(eye, target) for target in targets]
    for instance in depsgraph.object_instances:
        entry = instance.object
        if entry.type != "MESH" or not instance.show_self or not entry.visible_camera or entry.display_type in _SEEN_THROUGH:
            continue
        to_local = np.array(instance.matrix_world.inverted_safe())
        box = np.array(entry.bound_box)
        for target, found, (starts, ends) in zip(targets, hidden, rays, strict=True):
            if _is_own(instance, target.person):
                continue
            starts, ends = (points @ to_local[:3, :3].T + to_local[:3, 3] for points in (starts, ends))
            for number in np.flatnonzero(~found & _through(box.min(axis=0), box.max(axis=0), starts, ends)):
                start, way = Vector(starts[number]), Vector(ends[number] - starts[number])
                try:
                    found[number], *_ = entry.ray_cast(start, way, distance=way.length)
                except RuntimeError:  # Blender has not evaluated its mesh: there is nothing to hit
                    break
    return hidden


def _rays(eye: Eye, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Where the rays to the points start and end, [N, 3] each. A point behind the camera has a ray of no length."""
    to_world = np.linalg.inv(eye.view)
    depth = target.points @ eye.view[2, :3] + eye.view[2, 3]
    position, forward = to_world[:3, 3], to_world[:3, 2]
    way = depth[:, None] * forward if eye.orthographic else target.points - position
    starts = target.points - way
    length = np.linalg.norm(way, axis=1)
    share = np.where(depth > 0, 1 - _MARGIN * target.stature / np.maximum(length, 1e-9), 0)
    return starts, starts + np.maximum(share, 0)[:, None] * way


def _through(low: np.ndarray, high: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Which of the ways from `starts` to `ends` [N, 3] cross the box from `low` to `high` [3]: bool [N]."""
    way = ends - starts
    way = np.where(np.abs(way) < 1e-12, 1e-12, way)
    first, second = (low - starts) / way, (high - starts) / way
    enters, leaves = np.minimum(first, second).max(axis=1), np.maximum(first, second).min(axis=1)
    return (enters <= leaves) & (leaves >= 0) & (enters <= 1)


def _is_own(instance: bpy.types.DepsgraphObjectInstance, person: Person) -> bool:
    if not moves_with(instance.object.original, person.armature):
        return False
    if not instance.is_instance:
        return not person.instancers
    return instance.parent.original in person.instancers
