"""Body coordinates for every pixel.

Each part of the body is a capsule (`body`); a pixel near it has a place along it, across it and about it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from einops import rearrange
from torch import Tensor

from .body import HEAD, PART_COUNT, TORSO, Body

MAP_CHANNELS = 8  # there, code (3), along, sine and cosine of the side that faces the camera, depth

_THIN = 0.04  # parts closer than this in depth, trunk lengths, blend
# How far from its axis a part's outline is looked for, radii: hair, hoods and skirts reach far.
_REACH = torch.tensor([1.7, 2.2, 2.0, 2.0, 1.9, 1.9, 1.8, 1.8, 2.8, 2.8, 2.2, 2.2, 1.8, 1.8])
_CAPS = torch.ones(PART_COUNT)  # how far a part goes on beyond its axis, radii
_CAPS[TORSO] = 0.45
_CODES = torch.rand(PART_COUNT, 3, generator=torch.Generator().manual_seed(7))


@dataclass(frozen=True)
class Spots:
    """M pixels near parts of N bodies: a pixel appears once for each part it is near.

    body, part, pixel int64 [M] (pixel: y W + x); q f32 [M] distance from the axis, radii; t f32 [M] place along the axis, 0..1;
    cap f32 [M] how far beyond its ends, radii, negative before the start; u f32 [M] place across, radii, to the right of the
    way from start to end; normal f32 [M, 3] of the head's surface, camera space; depth f32 [M] trunk lengths behind the middle
    """

    body: Tensor
    part: Tensor
    pixel: Tensor
    q: Tensor
    t: Tensor
    cap: Tensor
    u: Tensor
    normal: Tensor
    depth: Tensor

    def __getitem__(self, index: Tensor) -> Spots:
        return Spots(**{entry.name: getattr(self, entry.name)[index] for entry in fields(self)})


def spots_of(body: Body, width: int, height: int) -> Spots:
    """Every pixel near a part that is there."""
    device = body.ends.device
    caps, reach = _CAPS.to(device), _REACH.to(device)
    limit = torch.tensor([width, height], device=device)
    margin = (body.radii.amax(-1) * reach)[..., None]
    low = (body.ends.amin(2) - margin).floor().clamp(min=0).minimum(limit)
    high = (body.ends.amax(2) + margin).ceil().clamp(min=0).minimum(limit)
    size = (high - low).long() * body.present[..., None]
    columns, count = size[..., 0].flatten(), size.prod(-1).flatten()
    box = torch.repeat_interleave(torch.arange(len(count), device=device), count)
    offset = torch.arange(len(box), device=device) - (count.cumsum(0) - count)[box]
    x = low[..., 0].flatten()[box] + offset % columns[box] + 0.5
    y = low[..., 1].flatten()[box] + offset // columns[box] + 0.5
    part = box % PART_COUNT

    axis = body.ends[:, :, 1] - body.ends[:, :, 0]
    length = axis.norm(dim=-1)
    along = direction(axis, length)
    scalars = torch.stack((length, *body.radii.unbind(-1), *body.depth.unbind(-1), body.thick, caps.expand_as(length)), -1)
    table = torch.cat((body.ends[:, :, 0], along, scalars), -1).flatten(0, 1)
    x0, y0, ax, ay, length, r0, r1, z0, z1, thick, cap_of = table[box].unbind(-1)
    dx, dy = x - x0, y - y0
    s = dx * ax + dy * ay
    t = (s / length.clamp(min=1)).clamp(0, 1) * (length >= 1)
    radius = r0 + (r1 - r0) * t
    u = (dy * ax - dx * ay) / radius
    cap = (s.clamp(max=0) + (s - length).clamp(min=0)) / radius
    q = (u**2 + (cap / cap_of) ** 2).sqrt()
    near = q < reach[part]
    box, part, x, y, q, t, cap, u = (value[near] for value in (box, part, x, y, q, t, cap, u))
    bulge = (1 - q.clamp(max=1) ** 2).sqrt()
    depth = z0[near] + (z1 - z0)[near] * t - thick[near] * bulge
    # A head has no axis: across and beyond are its picture's axes, turned to camera space.
    ax, ay = ax[near], ay[near]
    flat = torch.stack((cap * ax - u * ay, cap * ay + u * ax), -1) / q.clamp(min=1)[:, None]
    normal = torch.cat((flat, -bulge[:, None]), -1)
    pixel = (y.floor() * width + x.floor()).long()
    return Spots(box // PART_COUNT, part, pixel, q, t, cap, u, normal, depth)


def direction(axis: Tensor, length: Tensor) -> Tensor:
    """Axes [..., 2] of these lengths [...] as unit vectors; up in the picture for one that is only a point."""
    up = torch.tensor([0.0, -1.0], device=axis.device)
    return torch.where((length < 1)[..., None], up, axis / length.clamp(min=1e-3)[..., None])


def body_map(body: Body, spots: Spots, width: int, height: int) -> Tensor:
    """f32 [N, 8, H, W] in 0..1, all 0 where there is nobody: see `MAP_CHANNELS`."""
    there = ((1.1 - spots.q) / 0.2).clamp(0, 1)
    sine, cosine = facing(body, spots)
    values = torch.cat(
        (_CODES.to(there.device)[spots.part], spots.t[:, None], (sine[:, None] + 1) / 2, (cosine[:, None] + 1) / 2,
         ((spots.depth + 1.5) / 3).clamp(0, 1)[:, None]),
        -1,
    )  # fmt: skip
    mean, cover = blend(values, there, spots, len(body.turn), width * height)
    return rearrange(torch.cat((cover[:, None], mean * cover[:, None]), -1), "(n h w) c -> n c h w", h=height, w=width)


def facing(body: Body, spots: Spots) -> tuple[Tensor, Tensor]:
    """Sine and cosine [M] of which side of its part a spot is on: 0 its front, 90 degrees its left."""
    angle = spots.u.clamp(-1, 1).asin() + body.turn[spots.body, spots.part]
    head = (spots.part == HEAD)[:, None]
    own = (body.frame[spots.body] @ spots.normal[:, :, None])[:, :, 0]  # left, up, forward
    own = torch.where(head, own, torch.stack((angle.sin(), angle, angle.cos()), -1))
    return own[:, 0], own[:, 2]


def blend(values: Tensor, weight: Tensor, spots: Spots, bodies: int, pixels: int) -> tuple[Tensor, Tensor]:
    """Values [M, C] of the parts nearest to the camera, mean [N H W, C], and the largest weight [N H W]."""
    index = spots.body * pixels + spots.pixel
    nearness = weight * (-spots.depth / _THIN).clamp(-40, 40).exp()
    total = torch.zeros(bodies * pixels, device=weight.device).index_add_(0, index, nearness)
    mean = torch.zeros(bodies * pixels, values.shape[1], device=weight.device).index_add_(0, index, values * nearness[:, None])
    cover = torch.zeros_like(total).scatter_reduce_(0, index, weight, "amax")
    return mean / total.clamp(min=1e-30)[:, None], cover
