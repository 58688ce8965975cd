"""Skinned meshes from round cones: a smooth union of them, meshed by naive surface nets (Gibson 1998) in the rest pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cone:
    """A sphere swept from `start` to `end`, its radius going from `r0` to `r1`; moved by the bone number `bone`.

    `squash` [3] narrows it along the columns of `frame` [3, 3], about `start`: (0.5, 1, 1) makes it half as wide.
    """

    bone: int
    start: np.ndarray
    end: np.ndarray
    r0: float
    r1: float
    squash: tuple[float, float, float] = (1.0, 1.0, 1.0)
    frame: np.ndarray | None = None

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distance (negative inside, near the surface only about right) of points f32 [..., 3]: f32 [...]."""
        to_local = (np.eye(3) if self.frame is None else self.frame) / np.array(self.squash)
        offset = (points - self.start.astype(np.float32)) @ to_local.astype(np.float32)
        axis = ((self.end - self.start) @ to_local).astype(np.float32)
        along = np.clip(offset @ axis / max(float(axis @ axis), 1e-12), 0, 1)
        offset -= along[..., None] * axis
        gap = np.sqrt(np.einsum("...i,...i->...", offset, offset)) - np.float32(self.r0) - along * np.float32(self.r1 - self.r0)
        return gap * np.float32(min(self.squash))

    def box(self, margin: float) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner [3] of what lies within `margin` of it."""
        reach = max(self.r0, self.r1) * max(self.squash) + margin
        return np.minimum(self.start, self.end) - reach, np.maximum(self.start, self.end) + reach


@dataclass(frozen=True)
class Mesh:
    """A closed skinned mesh in the rest pose.

    vertices f32 [V, 3], normals f32 [V, 3] outward; faces int64 [N, 3], counter-clockwise from outside;
    weights f32 [V, bones], rows sum to 1; parts uint8 [V]: what it is (`characters.Part`)
    """

    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    parts: np.ndarray


def join(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of several."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        normals=np.concatenate([mesh.normals for mesh in meshes]),
        faces=np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
        weights=np.concatenate([mesh.weights for mesh in meshes]),
        parts=np.concatenate([mesh.parts for mesh in meshes]),
    )


def skin(cones: Sequence[Cone], bones: int, cell: float, blend: float, part: int, hollow: Sequence[Cone] = ()) -> Mesh:
    """The smooth union of `cones`, in cells of `cell`; where cones meet they melt into each other over about `blend`.

    What lies in `hollow` is cut away.
    """
    margin = 4 * blend + cell
    boxes = np.array([cone.box(margin) for cone in cones])
    origin = boxes[:, 0].min(0)
    shape = np.ceil((boxes[:, 1].max(0) - origin) / cell).astype(int) + 2
    total = np.zeros(shape, np.float32)  # of exp(-distance / blend)

    def points(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        grid = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(start, stop, strict=True)), indexing="ij"), -1)
        return (grid * cell + origin).astype(np.float32)

    for cone, (low, high) in zip(cones, boxes, strict=True):
        start, stop = ((low - origin) / cell).astype(int), ((high - origin) / cell).astype(int) + 2
        here = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        total[here] += np.exp(np.clip(cone.distance(points(start, stop)) / -np.float32(blend), -30, 60))
    field = -blend * np.log(np.maximum(total, 1e-13))
    for cone in hollow:
        field = np.maximum(field, -cone.distance(points(np.zeros(3, int), shape)))
    vertices, faces = surface_nets(field)
    normals = vertex_normals(vertices, faces)
    vertices = vertices * cell + origin
    weights = _weights(cones, vertices.astype(np.float32), bones, 1.2 * blend)
    return Mesh(vertices.astype(np.float32), normals, faces, weights, np.full(len(vertices), part, np.uint8))


_CORNERS = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)])
_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 1]


def surface_nets(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where `field` [X, Y, Z] is zero: vertices f32 [V, 3] in cells, triangles int64 [N, 3].

    The inside is negative, and does not reach the border.
    """
    inside = field < 0
    lows = np.stack(
        [inside[tuple(slice(c, n - 1 + c) for c, n in zip(corner, field.shape, strict=True))] for corner in _CORNERS]
    )
    active = lows.any(0) & ~lows.all(0)
    cells = np.argwhere(active)
    number = np.full(active.shape, -1)
    number[active] = np.arange(len(cells))

    values = np.stack([field[tuple((cells + corner).T)] for corner in _CORNERS], 1)  # [V, 8]
    sums, crossings = np.zeros((len(cells), 3)), np.zeros(len(cells))
    for a, b in _EDGES:
        crosses = (values[:, a] < 0) != (values[:, b] < 0)
        share = np.where(crosses, values[:, a] / np.where(crosses, values[:, a] - values[:, b], 1), 0)
        sums += crosses[:, None] * (_CORNERS[a] + share[:, None] * (_CORNERS[b] - _CORNERS[a]))
        crossings += crosses
    vertices = cells + sums / crossings[:, None]

    quads = []
    for axis in range(3):
        u, v = np.eye(3, dtype=int)[[(axis + 1) % 3, (axis + 2) % 3]]
        first = np.moveaxis(inside, axis, 0)[:-1]
        second = np.moveaxis(inside, axis, 0)[1:]
        for outward, leaves in ((True, first & ~second), (False, ~first & second)):
            spots = np.argwhere(np.moveaxis(leaves, 0, axis))
            quad = np.stack([number[tuple((spots + step).T)] for step in (-u - v, -v, 0 * u, -u)], 1)
            quads.append(quad if outward else quad[:, ::-1])
    quad = np.concatenate(quads)
    return vertices.astype(np.float32), np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted vertex normals, f32 [V, 3]."""
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    across = np.cross(b - a, c - a)
    sums = np.stack(
        [sum(np.bincount(faces[:, k], across[:, i], len(vertices)) for k in range(3)) for i in range(3)],
        axis=1,
    )
    return (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)).astype(np.float32)


def _weights(cones: Sequence[Cone], vertices: np.ndarray, bones: int, softness: float) -> np.ndarray:
    """How much each bone moves each vertex, f32 [V, bones]: by the distance to its cones."""
    distance = np.full((len(vertices), bones), np.inf, np.float32)
    for cone in cones:
        distance[:, cone.bone] = np.minimum(distance[:, cone.bone], cone.distance(vertices))
    weights = np.exp((distance.min(1, keepdims=True) - distance) / np.float32(softness))
    return weights / weights.sum(1, keepdims=True)
