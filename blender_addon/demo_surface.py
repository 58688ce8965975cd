"""Closed surfaces of tubes and ellipsoids with bone weights: what the demo character is built from. Lengths in metres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mathutils import Vector

BLEND = 0.045  # metres to either side of a joint over which two bones share the skin
FORWARD = Vector((0.0, -1.0, 0.0))  # the way a Blender character faces


@dataclass(frozen=True)
class Ring:
    """An ellipse: radii (metres) along two unit vectors."""

    centre: Vector
    radii: tuple[float, float]
    across: Vector
    along: Vector
    weights: dict[str, float]


@dataclass
class Surface:
    """The mesh as it grows: vertices [metres], faces, each vertex's bone weights, each face's material."""

    vertices: list[Vector] = field(default_factory=list)
    weights: list[dict[str, float]] = field(default_factory=list)
    faces: list[tuple[int, ...]] = field(default_factory=list)
    materials: list[str] = field(default_factory=list)

    def loft(self, rings: Sequence[Ring], segments: int, material: str) -> None:
        """A closed surface through elliptic rings, its two ends shut by a point."""
        first = len(self.vertices)
        for ring in rings:
            for number in range(segments):
                angle = 2 * math.pi * number / segments
                offset = ring.across * (ring.radii[0] * math.cos(angle)) + ring.along * (ring.radii[1] * math.sin(angle))
                self._add(ring.centre + offset, ring.weights)
        faces = []
        for row in range(len(rings) - 1):
            low, high = first + row * segments, first + (row + 1) * segments
            faces += [(low + n, low + (n + 1) % segments, high + (n + 1) % segments, high + n) for n in range(segments)]
        for ring, start, order in ((rings[0], first, -1), (rings[-1], first + (len(rings) - 1) * segments, 1)):
            pole = self._add(ring.centre, ring.weights)
            faces += [(start + n, start + (n + 1) % segments, pole)[::order] for n in range(segments)]
        self.faces += faces
        self.materials += [material] * len(faces)

    def _add(self, point: Vector, weights: dict[str, float]) -> int:
        self.vertices.append(point)
        self.weights.append(weights)
        return len(self.vertices) - 1


def smoothstep(value: float) -> float:
    value = min(1.0, max(0.0, value))
    return value * value * (3 - 2 * value)


def interpolate(table: Sequence[tuple[float, ...]], key: float) -> list[float]:
    """The row at `key`, between the rows of a table that is sorted by its first column; without that column."""
    for low, high in pairwise(table):
        if key <= high[0]:
            share = min(1.0, max(0.0, (key - low[0]) / (high[0] - low[0])))
            return [a + (b - a) * share for a, b in zip(low[1:], high[1:], strict=True)]
    return list(table[-1][1:])


def limb(
    joints: Sequence[Vector],
    bones: Sequence[str],
    profile: Sequence[tuple[float, ...]],
    step: float = 0.032,
    blend: float = BLEND,
) -> list[Ring]:
    """Rings along a chain of joints, bone i from joint i to i + 1, with round ends.

    `profile` rows are (place, radius) or (place, radius, flatter radius); place 1.5 is the middle of the second bone.
    """
    lengths = [(b - a).length for a, b in pairwise(joints)]
    start, end = profile[0][0], profile[-1][0]
    places = []
    for number, length in enumerate(lengths):
        count = max(2, round(length / step))
        places += [number + k / count for k in range(count)]
    places = [start, *(place for place in places if start + 1e-6 < place < end - 1e-6), end]
    rings = []
    for place in places:
        bone = min(int(place), len(lengths) - 1)
        direction = (joints[bone + 1] - joints[bone]).normalized()
        centre = joints[bone] + direction * ((place - bone) * lengths[bone])
        radii = interpolate(profile, place)
        # One side vector for the whole chain keeps the rings from twisting against each other.
        across = FORWARD if abs(direction.dot(FORWARD)) < 0.8 else Vector((1, 0, 0))
        along = direction.cross(across).normalized()
        across = along.cross(direction).normalized()
        rings.append(Ring(centre, (radii[0], radii[-1]), across, along, joint_weights(place, lengths, bones, blend)))
    return [*_cap(rings[0], rings[1])[::-1], *rings, *_cap(rings[-1], rings[-2])]


def _cap(ring: Ring, neighbour: Ring) -> list[Ring]:
    """Rings that round off an end."""
    outward = (ring.centre - neighbour.centre).normalized() * min(ring.radii)
    caps = []
    for degrees in (30, 60, 82):
        angle = math.radians(degrees)
        radii = (ring.radii[0] * math.cos(angle), ring.radii[1] * math.cos(angle))
        caps.append(Ring(ring.centre + outward * math.sin(angle), radii, ring.across, ring.along, ring.weights))
    return caps


def joint_weights(place: float, lengths: Sequence[float], bones: Sequence[str], blend: float) -> dict[str, float]:
    weights = {}
    remaining = 1.0
    bone = min(int(place), len(lengths) - 1)
    along = sum(lengths[:bone]) + (place - bone) * lengths[bone]
    for number in range(len(bones) - 1, 0, -1):  # from the tip: what lies beyond a joint belongs to the bone after it
        share = smoothstep((along - sum(lengths[:number])) / (2 * blend) + 0.5) * remaining
        if share > 0:
            weights[bones[number]] = share
        remaining -= share
    if remaining > 0:
        weights[bones[0]] = remaining
    return weights


def ellipsoid(centre: Vector | Sequence[float], radii: Sequence[float], bone: str, rows: int = 12) -> list[Ring]:
    """Rings of an ellipsoid (radii along x, y, z), from bottom to top."""
    rings = []
    for row in range(1, rows):
        angle = math.pi * row / rows
        size = math.sin(angle)
        place = Vector((centre[0], centre[1], centre[2] - radii[2] * math.cos(angle)))
        rings.append(Ring(place, (radii[0] * size, radii[1] * size), Vector((1, 0, 0)), Vector((0, 1, 0)), {bone: 1.0}))
    return rings
