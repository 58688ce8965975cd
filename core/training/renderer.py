"""A rasteriser of skinned meshes in torch: scanline spans, one z-buffer, deferred shading, supersampled.

Camera space: metres, x right, y down, z forward. Whatever it costs is per span and per visible sample, not per box around a
triangle. A shot's picture of 256 x 320 takes about 50 ms of one core, clothes, paint and shadow included.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

_NEAR = 0.05


@dataclass(frozen=True)
class Fragments:
    """What the samples of one picture see, where they see anything.

    sample int64 [P], row by row; face int64 [P]; corners f32 [3, P]: weights of the face's vertices, perspective-correct
    """

    sample: Tensor
    face: Tensor
    corners: Tensor

    def interpolate(self, faces: Tensor, values: Tensor) -> Tensor:
        """Vertex values f32 [V, C] at the fragments: f32 [P, C]."""
        seen = faces[self.face]
        first, second, third = (values.index_select(0, seen[:, k]) for k in range(3))
        a, b, c = self.corners[..., None]
        return first.mul_(a).addcmul_(second, b).addcmul_(third, c)


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
    corner = faces.T.reshape(-1)
    x, y = (vertices[:, k] * inverse * intrinsics[k, k] + intrinsics[k, 2] for k in (0, 1))
    x, y, depth = (value[corner].view(3, -1) for value in (x, y, inverse))  # [3, N]; 1 / z is linear on the screen
    area = (y[1] - y[0]) * (x[2] - x[0]) - (x[1] - x[0]) * (y[2] - y[0])  # positive where the face is turned to the camera
    top, bottom = (y.amin(0) - 0.5).ceil().clamp(min=0), (y.amax(0) - 0.5).floor().clamp(max=height - 1)
    kept = ((area > 1e-9) & (bottom >= top) & (x.amax(0) > 0) & (x.amin(0) < width) & (depth.amax(0) < 1 / _NEAR)).nonzero()[
        :, 0
    ]
    x, y, depth = (value.index_select(1, kept) for value in (x, y, depth))
    area, top, bottom = area[kept], top[kept], bottom[kept]

    # Edge k, opposite corner k: u_k x + v_k y + w_k is the corner's weight.
    start_x, start_y, end_x, end_y = x[[1, 2, 0]], y[[1, 2, 0]], x[[2, 0, 1]], y[[2, 0, 1]]
    u, v = (end_y - start_y) / area, (start_x - end_x) / area
    w = -(u * start_x + v * start_y)
    edges = torch.cat([u, v, w])  # [9, N]
    planes = torch.stack([(u * depth).sum(0), (v * depth).sum(0), (w * depth).sum(0), top])

    # One span a row of each face.
    rows = (bottom - top).long() + 1
    face = torch.repeat_interleave(rows)
    u, v, w = edges.index_select(1, face).view(3, 3, -1)
    slope_x, slope_y, offset, first = planes.index_select(1, face)
    line = first + (torch.arange(len(face)) - (rows.cumsum(0) - rows)[face])
    bound = ((line + 0.5) * v).add_(w).div_(u).neg_()
    left = torch.where(u > 0, bound, -torch.inf).amax(0)
    right = torch.where(u < 0, bound, torch.inf).amin(0)
    left, right = (left - 0.5).ceil_().clamp_(0, width), (right - 0.5).floor_().clamp_(-1, width - 1)
    count = (right - left).long().add_(1).clamp_(min=0)
    near = offset + slope_y * (line + 0.5) + slope_x * (left + 0.5)
    base = (line * width + left).long()

    span = torch.repeat_interleave(count)
    ahead = torch.arange(len(span)) - (count.cumsum(0) - count)[span]
    nearness = near[span].addcmul_(slope_x[span], ahead.float())
    # A positive float's bits order as it does: nearness above, which span below.
    key = (nearness.clamp_(min=0).view(torch.int32).long() << 32) | span
    best = torch.full((width * height,), -1).scatter_reduce_(0, base[span] + ahead, key, "amax")
    sample = (best >= 0).nonzero()[:, 0]
    face = face[best[sample] & 0xFFFFFFFF]
    at_x, at_y = (sample % width) + 0.5, torch.div(sample, width, rounding_mode="floor") + 0.5
    u, v, w = edges.index_select(1, face).view(3, 3, -1)
    corners = (u * at_x).addcmul_(v, at_y).add_(w).mul_(depth.index_select(1, face))
    return Fragments(sample, kept[face], corners / corners.sum(0))


def shade(albedo: Tensor, normals: Tensor, positions: Tensor, gloss: Tensor, lights: Lights) -> Tensor:
    """Linear RGB f32 [P, 3] of surfaces of `albedo` [P, 3] and `gloss` [P] at camera-space `positions` [P, 3]."""
    normals, view = _unit(normals), _unit(positions).neg_()
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
    halfway = (facing + normals @ lights.key) / (2 + 2 * (view @ lights.key)).clamp_(min=1e-6).sqrt_()  # Blinn's cosine
    shine = halfway.clamp_(0, 1) ** 32 * gloss
    if lights.rim:
        shine += (1 - facing).clamp_(0, 1) ** 4 * lights.rim
    colour = albedo * light + shine[:, None] * lights.key_colour
    if lights.outline:
        colour = colour * (1 - lights.outline * (facing < 0.25).float())[:, None]
    return colour


def _unit(vectors: Tensor) -> Tensor:
    return vectors * (vectors * vectors).sum(1, keepdim=True).clamp_(min=1e-12).rsqrt_()


def resolve(sample: Tensor, colour: Tensor, width: int, height: int, supersample: int) -> Tensor:
    """Samples of linear `colour` [P, 3] to sRGB pixels with coverage: f32 [4, height, width], colour premultiplied, 0..1."""
    wide = width * supersample
    pixel = torch.div(sample, wide * supersample, rounding_mode="floor") * width
    pixel += torch.div(sample % wide, supersample, rounding_mode="floor")
    parts = torch.cat([colour.clamp(0, 1) ** (1 / 2.2), torch.ones(len(colour), 1)], 1) / supersample**2
    total = torch.zeros(height * width, 4).index_add_(0, pixel, parts)
    return rearrange(total, "(h w) c -> c h w", h=height).contiguous()
