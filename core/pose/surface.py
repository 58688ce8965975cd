"""Round cones seen by a camera: depth, normals and labels of what is nearest. numpy only.

Camera space as in `core.pose.clip`: metres, x right, y down, z forward.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .clip import PoseClip

NEAR = 0.01  # nearer than this, in metres, nothing is seen
FLATNESS = 0.68  # depth of a flat cone to its width: a trunk's


@dataclass(frozen=True)
class Lens:
    """One frame's camera: a matrix f64 [3, 3] in pixels, and whether z is not divided by."""

    matrix: np.ndarray
    orthographic: bool

    @classmethod
    def of(cls, clip: PoseClip, frame: int, width: int, height: int) -> Lens:
        """That of frame `frame` (an index), fitted into `width` x `height` as `PoseClip.pixels` fits."""
        scale = min(width / clip.width, height / clip.height)
        matrix = clip.intrinsics[frame].astype(float)
        matrix[:2] *= scale
        matrix[:2, 2] += (width - clip.width * scale) / 2, (height - clip.height * scale) / 2
        return cls(matrix, bool(clip.orthographic[frame]))


@dataclass(frozen=True)
class RoundCone:
    """The hull of two balls, of centres f [3] and radii; where `flat` is given, thinner along that unit vector f [3]."""

    start: np.ndarray
    end: np.ndarray
    start_radius: float
    end_radius: float
    flat: np.ndarray | None = None

    @property
    def unflatten(self) -> np.ndarray:
        """f64 [3, 3], symmetric: what makes the space in which the cone is round."""
        return np.eye(3) if self.flat is None else np.eye(3) + (1 / FLATNESS - 1) * np.outer(self.flat, self.flat)


@dataclass(frozen=True)
class Surface:
    """What a camera sees, each [H, W, ...]; or [n, ...], of some of its pixels.

    depth   f32 [H, W], z in metres; infinite where nothing is
    normal  f32 [H, W, 3], unit vectors in camera space, out of the surface; 0 where nothing is
    label   int32 [H, W], the number of the shape that is seen, -1 where none is
    along   f32 [H, W], how far from the cone's start (0) to its end (1)
    """

    depth: np.ndarray
    normal: np.ndarray
    label: np.ndarray
    along: np.ndarray

    @classmethod
    def empty(cls, width: int, height: int) -> Surface:
        return cls(
            np.full((height, width), np.inf, np.float32),
            np.zeros((height, width, 3), np.float32),
            np.full((height, width), -1, np.int32),
            np.zeros((height, width), np.float32),
        )

    def at(self, where: np.ndarray) -> Surface:
        """The pixels of the mask bool [H, W]."""
        return Surface(self.depth[where], self.normal[where], self.label[where], self.along[where])


def look_at(cones: Iterable[RoundCone], lens: Lens, width: int, height: int) -> Surface:
    """The nearest of the cones in every pixel, cast through its centre. A cone that reaches behind the camera is left out."""
    surface = Surface.empty(width, height)
    for label, cone in enumerate(cones):
        box = _box(cone, lens, width, height)
        if box is not None:
            _cast(surface, box, cone, label, lens)
    return surface


def _box(cone: RoundCone, lens: Lens, width: int, height: int) -> tuple[slice, slice] | None:
    """Rows and columns that the cone can be seen in, or None."""
    low, high = [], []
    for centre, radius in ((cone.start, cone.start_radius), (cone.end, cone.end_radius)):
        x, y, z = centre
        if lens.orthographic:
            corners = [(x + dx * radius, y + dy * radius) for dx in (-1, 1) for dy in (-1, 1)]
        elif z - radius < NEAR:
            return None
        else:  # of the ball's bounding cube, whose corners are seen outside of it
            corners = [
                ((x + dx * radius) / (z + dz * radius), (y + dy * radius) / (z + dz * radius))
                for dx in (-1, 1)
                for dy in (-1, 1)
                for dz in (-1, 1)
            ]
        pixels = np.array(corners) @ lens.matrix[:2, :2].T + lens.matrix[:2, 2]
        low.append(pixels.min(0))
        high.append(pixels.max(0))
    left, top = np.clip(np.floor(np.min(low, 0)), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(np.max(high, 0)), 0, (width, height)).astype(int)
    return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None


def rays(box: tuple[slice, slice], lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    """Origins f64 [h, w, 3] or [3] and unit directions f64 [h, w, 3] through the centres of the pixels in rows and columns."""
    rows, columns = box
    (a, b, left), (c, d, top), _ = lens.matrix.tolist()
    x, y = np.arange(columns.start, columns.stop) + 0.5 - left, np.arange(rows.start, rows.stop)[:, None] + 0.5 - top
    directions = np.empty((len(y), len(x), 3))
    directions[..., 0] = (d * x - b * y) / (a * d - b * c)
    directions[..., 1] = (a * y - c * x) / (a * d - b * c)
    if lens.orthographic:
        directions[..., 2] = 0
        return directions, np.broadcast_to((0.0, 0.0, 1.0), directions.shape)
    directions[..., 2] = 1
    directions /= np.sqrt(_dot(directions, directions))[..., None]
    return np.zeros(3), directions


def _cast(surface: Surface, box: tuple[slice, slice], cone: RoundCone, label: int, lens: Lens) -> None:
    """Enter one cone into the surface. The closed form is Inigo Quilez's ("Round Cone - intersection")."""
    origins, directions = rays(box, lens)
    z_per_metre, round_space = directions[..., 2], cone.unflatten
    if cone.flat is not None:
        origins, directions = origins @ round_space, directions @ round_space
        lengths = np.linalg.norm(directions, axis=-1, keepdims=True)
        directions, z_per_metre = directions / lengths, z_per_metre / lengths[..., 0]
    start, end, ra, rb = round_space @ cone.start, round_space @ cone.end, cone.start_radius, cone.end_radius
    axis, shrink = end - start, ra - rb
    length2 = axis @ axis
    slope = length2 - shrink * shrink
    from_start, from_end = origins - start, origins - end
    start_ray, end_ray = _dot(from_start, directions), _dot(from_end, directions)
    start2, end2 = _dot(from_start, from_start), _dot(from_end, from_end)

    with np.errstate(divide="ignore", invalid="ignore"):
        # The balls at both ends ...
        at_start = -start_ray - np.sqrt(start_ray * start_ray - start2 + ra * ra)
        at_end = -end_ray - np.sqrt(end_ray * end_ray - end2 + rb * rb)
        distance, along = np.fmin(at_start, at_end), np.where(np.isnan(at_start) | (at_end < at_start), 1.0, 0.0)
        # ... and the cone between them, unless one ball holds the other.
        if slope > 0:
            along_ray, along_start = _dot(directions, axis), _dot(from_start, axis)
            k2 = slope - along_ray * along_ray
            k1 = slope * start_ray - along_start * along_ray + along_ray * shrink * ra
            k0 = slope * start2 - along_start * along_start + along_start * shrink * ra * 2 - length2 * ra * ra
            side = -(np.sqrt(k1 * k1 - k0 * k2) + k1) / k2
            height = (along_start - ra * shrink + side * along_ray) / slope
            on_side = (height > 0) & (height < 1)  # False for NaN, where the ray misses
            distance, along = np.where(on_side, side, distance), np.where(on_side, height, along)
        depth = distance * z_per_metre
        nearer = (depth > NEAR) & (depth < surface.depth[box])
    along = along[nearer]
    hit = np.broadcast_to(from_start, directions.shape)[nearer] + distance[nearer, None] * directions[nearer]
    normal = (hit - along[:, None] * axis) @ round_space
    surface.depth[box][nearer] = depth[nearer]
    surface.normal[box][nearer] = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
    surface.label[box][nearer] = label
    surface.along[box][nearer] = along


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of vectors [..., 3]: [...]."""
    return np.einsum("...i,...i->...", first, second)
