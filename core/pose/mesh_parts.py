"""DensePose's parts of a skinned mesh: which of its triangles belong to which, and the picture of them. numpy only.

A triangle belongs to the limb of the bone that moves it most; front and back, inside and outside are told apart by which way it
faces, as the mannequin around the same joints tells them.
"""

from __future__ import annotations

import numpy as np

from .bones.roles import FINGERS, SIDES, Role, sided
from .mannequin import body
from .surface import NEAR, Lens

# Of no part, then of 1 to 24, as MagicAnimate's pictures have them: viridis at 255 / 24 of the number.
_CODES = """
440154 471063 481f70 472c7a 443983 404688 3b518b 365d8d 31688e 2c718e 287c8e 25858e 21908d 1f9a8a 20a386 27ad81 35b779 46c06f
5cc863 73d056 8ed645 aadc32 c5e021 e2e418 fde725
"""
PART_COLOURS = np.array([tuple(bytes.fromhex(code)) for code in _CODES.split()], np.uint8)  # [25, 3]
_AT_ONCE = 2_000_000  # pixels of triangles' boxes that are tried together

_TRUNK, _HEAD = (2, 1), (24, 23)
_LIMBS = {  # parts of the left and of the right: where it faces forward or inward, and where it does not
    ("upper_arm",): ((15, 17), (16, 18)),
    ("forearm",): ((19, 21), (20, 22)),
    ("hand", *(f"{finger}_{number}" for finger in FINGERS for number in (1, 2, 3))): ((4, 4), (3, 3)),
    ("thigh",): ((10, 8), (9, 7)),
    ("shin",): ((14, 12), (13, 11)),
    ("foot", "toe"): ((5, 5), (6, 6)),
}
PARTS: dict[Role, tuple[int, int]] = {
    **{Role(part): _TRUNK for part in ("hips", "spine", "chest", "upper_chest")},
    **{sided(side, "clavicle"): _TRUNK for side in SIDES},
    **{Role(part): _HEAD for part in ("neck", "head", "head_end", "nose")},
    **{sided(side, part): _HEAD for side in SIDES for part in ("eye", "ear")},
    **{
        sided(side, name): parts
        for names, pairs in _LIMBS.items()
        for name in names
        for side, parts in zip(SIDES, pairs, strict=True)
    },
}


ROLES = tuple(PARTS)


def part_numbers(triangles: np.ndarray, roles: np.ndarray, points: np.ndarray, shown: np.ndarray, stature: float) -> np.ndarray:
    """DensePose's number of each triangle f [n, 3, 3] of one person, in camera space: int [n].

    `roles` int [n] are numbers in `ROLES`, or -1 for what is of no limb and gets 0. `points` [134, 3], `shown` [134] and
    `stature` are the person's, as `mannequin.body` takes them.
    """
    facing = {part.parts: part.facing for part in reversed(body(points, shown, stature))}
    pairs = np.array([*PARTS.values(), (0, 0)])[roles]  # -1 is the last
    axes = np.array([*(facing.get(parts, np.zeros(3)) for parts in PARTS.values()), np.zeros(3)])[roles]
    first, second, third = np.moveaxis(triangles, 1, 0)
    normal = np.cross(second - first, third - first)
    normal *= -np.sign((normal * first).sum(-1, keepdims=True))  # what is seen faces the camera, however it is wound
    return np.where((normal * axes).sum(-1) >= 0, pairs[:, 0], pairs[:, 1])


def draw_parts(triangles: np.ndarray, numbers: np.ndarray, lens: Lens, width: int, height: int) -> np.ndarray:
    """The picture uint8 [height, width, 3] of triangles f [n, 3, 3], camera space, that are of parts `numbers` [n]."""
    seen = nearest_triangles(triangles, lens, width, height)
    return PART_COLOURS[np.append(numbers, 0)[seen]]  # -1, the ground, is the last


def nearest_triangles(triangles: np.ndarray, lens: Lens, width: int, height: int) -> np.ndarray:
    """Which of the triangles f [n, 3, 3] is seen through each pixel's centre: int [height, width], -1 where none is.

    One that reaches behind the camera is left out.
    """
    z = triangles[..., 2]
    plane = triangles[..., :2] if lens.orthographic else triangles[..., :2] / np.maximum(z, NEAR)[..., None]
    corners = plane @ lens.matrix[:2, :2].T + lens.matrix[:2, 2]  # [n, 3, 2]
    low = np.clip(np.ceil(corners.min(1) - 0.5), 0, (width, height)).astype(int)
    high = np.clip(np.floor(corners.max(1) - 0.5) + 1, 0, (width, height)).astype(int)
    wide, tall = np.maximum(high - low, 0).T
    counts = np.where((z > NEAR).all(1) | lens.orthographic, wide * tall, 0)
    # One over z is linear in the picture, z is without perspective: either way the largest is the nearest.
    nearness = -z if lens.orthographic else 1 / np.maximum(z, NEAR)
    seen, best = np.full(height * width, -1), np.full(height * width, -np.inf)
    ends = np.cumsum(counts)
    for start in range(0, int(ends[-1]) if len(ends) else 0, _AT_ONCE):
        tried = np.arange(start, min(start + _AT_ONCE, ends[-1]))
        triangle = np.searchsorted(ends, tried, side="right")
        row, column = np.divmod(tried - (ends - counts)[triangle], wide[triangle])
        pixel = np.stack([column, row], -1) + low[triangle]
        weights = _barycentric(pixel + 0.5, corners[triangle])
        near = (weights * nearness[triangle]).sum(-1)
        place = pixel[:, 1] * width + pixel[:, 0]
        better = np.flatnonzero((weights >= 0).all(-1) & (near > best[place]))
        better = better[np.argsort(near[better], kind="stable")]  # of those of one pixel, the nearest comes last and stays
        seen[place[better]], best[place[better]] = triangle[better], near[better]
    return seen.reshape(height, width)


def _barycentric(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Weights [m, 3] of corners [m, 3, 2] that give points [m, 2]; negative or NaN where a point is not inside."""
    a, b, c = np.moveaxis(corners, 1, 0)

    def area(first: np.ndarray, second: np.ndarray, third: np.ndarray) -> np.ndarray:
        one, other = second - first, third - first
        return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([area(points, b, c), area(a, points, c), area(a, b, points)], -1) / area(a, b, c)[:, None]
