"""Body coordinates for every pixel, and the reference laid over a pose by them: a cut-out puppet that the networks refine.

Each part of the body is a capsule (`body`); a pixel near it has a place along it, across it and about it. The same place in
the reference gives the pixel's colour. Silhouettes are the reference's own: what of its matte belongs to a part travels with
it, so hair, sleeves and a stout body come along.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from .body import HEAD, NEIGHBOURS, PART_COUNT, TORSO, Body

MAP_CHANNELS = 8  # there, code (3), along, sine and cosine of the side that faces the camera, depth
WARP_CHANNELS = 5  # colour (3), matte, whether the reference shows this very spot
DETAIL_CHANNELS = WARP_CHANNELS + MAP_CHANNELS

_CORE = 0.95  # of its radius a capsule is certainly full, whatever the reference shows
_SLIT = 5  # pixels: so wide a gap between two parts is closed
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


@dataclass(frozen=True)
class Puppet:
    """R references cut into parts.

    body [R]; sprites f32 [R, P, H, W, 4]: each part's colours 0..1, carried on to where it is hidden, and its own matte
    """

    body: Body
    sprites: Tensor


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
    along = _direction(axis, length)
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


def _direction(axis: Tensor, length: Tensor) -> Tensor:
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
    mean, cover = _blend(values, there, spots, len(body.turn), width * height)
    return rearrange(torch.cat((cover[:, None], mean * cover[:, None]), -1), "(n h w) c -> n c h w", h=height, w=width)


def facing(body: Body, spots: Spots) -> tuple[Tensor, Tensor]:
    """Sine and cosine [M] of which side of its part a spot is on: 0 its front, 90 degrees its left."""
    angle = spots.u.clamp(-1, 1).asin() + body.turn[spots.body, spots.part]
    head = (spots.part == HEAD)[:, None]
    own = (body.frame[spots.body] @ spots.normal[:, :, None])[:, :, 0]  # left, up, forward
    own = torch.where(head, own, torch.stack((angle.sin(), angle, angle.cos()), -1))
    return own[:, 0], own[:, 2]


def _blend(values: Tensor, weight: Tensor, spots: Spots, bodies: int, pixels: int) -> tuple[Tensor, Tensor]:
    """Values [M, C] of the parts nearest to the camera, mean [N H W, C], and the largest weight [N H W]."""
    index = spots.body * pixels + spots.pixel
    nearness = weight * (-spots.depth / _THIN).clamp(-40, 40).exp()
    total = torch.zeros(bodies * pixels, device=weight.device).index_add_(0, index, nearness)
    mean = torch.zeros(bodies * pixels, values.shape[1], device=weight.device).index_add_(0, index, values * nearness[:, None])
    cover = torch.zeros_like(total).scatter_reduce_(0, index, weight, "amax")
    return mean / total.clamp(min=1e-30)[:, None], cover


def cut_out(pictures: Tensor, mattes: Tensor, body: Body) -> Puppet:
    """Cut references f32 [R, 3, H, W] in 0..1 with mattes f32 [R, 1, H, W] into the parts of their bodies."""
    count, _, height, width = pictures.shape
    spots = spots_of(body, width, height)
    pixels = height * width
    # Within a capsule the nearest to the camera owns a pixel; outside of all of them, the closest one.
    rank = torch.where(spots.q < 1, spots.depth - 100, spots.q)
    index = spots.body * pixels + spots.pixel
    best = torch.full((count * pixels,), torch.inf, device=rank.device).scatter_reduce_(0, index, rank, "amin")
    owner = torch.full((count * pixels,), PART_COUNT, device=rank.device)
    mine = rank == best[index]
    owner[index[mine]] = spots.part[mine]

    kin = torch.eye(PART_COUNT + 1, dtype=torch.bool, device=rank.device)
    own = kin.clone()
    for first, second in NEIGHBOURS:
        kin[first, second] = kin[second, first] = True
    held = owner[index]
    # A joint belongs to both of its parts, or a bent knee would show a gap.
    mask = own[spots.part, held] | (kin[spots.part, held] & (spots.q < 1) & (spots.t * (1 - spots.t) < 0.05))
    flat = torch.zeros(count * PART_COUNT * pixels, device=rank.device)
    flat[(spots.body * PART_COUNT + spots.part) * pixels + spots.pixel] = mask.float()
    masks = flat.view(count, PART_COUNT, height, width) * mattes
    solid = flat.view(count, PART_COUNT, 1, height, width) * (mattes > 0.95)[:, None]
    colours = fill(pictures[:, None].expand(-1, PART_COUNT, -1, -1, -1).flatten(0, 1), solid.flatten(0, 1))
    sprites = torch.cat((colours.unflatten(0, (count, PART_COUNT)), masks[:, :, None]), 2)
    return Puppet(body, sprites.permute(0, 1, 3, 4, 2).contiguous())


def fill(pictures: Tensor, known: Tensor) -> Tensor:
    """Carry the colours of pictures f32 [N, C, H, W] on from where `known` f32 [N, 1, H, W] is 1 (push-pull, Gortler 1996)."""
    colour, weight, pyramid = pictures * known, known, []
    while max(colour.shape[-2:]) > 1:
        pyramid.append((colour, weight))
        pair = min(2, colour.shape[-2]), min(2, colour.shape[-1])
        colour, weight = (torch.nn.functional.avg_pool2d(part, pair, ceil_mode=True) for part in (colour, weight))
    out = colour / weight.clamp(min=1e-6)
    for colour, weight in reversed(pyramid):
        out = torch.nn.functional.interpolate(out, size=colour.shape[-2:], mode="bilinear", align_corners=False)
        share = weight.clamp(0, 1)
        out = colour + (1 - share) * out
    return out


def lay_over(puppet: Puppet, source: Tensor, body: Body, spots: Spots, width: int, height: int) -> tuple[Tensor, Tensor]:
    """The references `source` int64 [N] of a puppet laid over bodies [N]: f32 [N, 5, H, W] in 0..1, see `WARP_CHANNELS`.

    The colour is over mid-grey. And where each pixel came from, f32 [N, 2, H, W] pixels of the reference, -1 for nowhere.
    """
    tall, wide = puppet.sprites.shape[2:4]
    who = source[spots.body]
    colour_at, outline_at, seen = _places(puppet.body, body, spots, who)
    sheet = (who * PART_COUNT + spots.part) * (tall * wide)
    sprites = puppet.sprites.flatten(0, 3)
    colour, shown = _sample(sprites, sheet, colour_at, wide, tall).split((3, 1), -1)
    outline = _sample(sprites[:, 3:], sheet, outline_at, wide, tall)[:, 0]
    core = ((_CORE - spots.q) / 0.1).clamp(0, 1) * (spots.part != HEAD)
    cover = torch.maximum(outline, core)
    known = (seen * shown[:, 0]).clamp(0, 1)
    mean, matte = _blend(torch.cat((colour, known[:, None], colour_at), -1), cover, spots, len(source), width * height)
    values = torch.cat((mean, matte[:, None]), -1)
    colour, known, where, matte = rearrange(values, "(n h w) c -> n c h w", h=height, w=width).split((3, 1, 2, 1), 1)
    closed = _closed(matte)
    colour = fill(colour, (matte > 0.5).float())
    warp = torch.cat((colour * closed + 0.5 * (1 - closed), closed, known * matte), 1)
    return warp, torch.where(matte > 0.5, where, -1.0)


def _closed(mattes: Tensor) -> Tensor:
    """Mattes [N, 1, H, W] without the slits between parts that bent away from each other."""
    grown = torch.nn.functional.max_pool2d(mattes, _SLIT, 1, _SLIT // 2)
    return -torch.nn.functional.max_pool2d(-grown, _SLIT, 1, _SLIT // 2)


def _places(reference: Body, body: Body, spots: Spots, who: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where spots lie in their references `who` [M]: pixels [M, 2] of the colour and of the outline, and whether it is seen."""
    part = spots.part
    start, end = reference.ends[who, part].unbind(1)
    first, last = reference.radii[who, part].unbind(1)
    axis = end - start
    along = _direction(axis, axis.norm(dim=-1))
    across = torch.stack((-along[:, 1], along[:, 0]), -1)
    radius = (first + (last - first) * spots.t)[:, None]
    base = start + axis * spots.t[:, None] + along * spots.cap[:, None] * radius
    outline = base + across * spots.u[:, None] * radius

    # Torso: turn about the axis. Beyond its outline the surface's edge is looked up.
    angle = spots.u.clamp(-1, 1).asin() + body.turn[spots.body, part] - reference.turn[who, part]
    sine = angle.sin() * spots.u.abs().clamp(min=1)
    colour = base + across * sine[:, None] * radius
    seen = (angle.cos() + 0.1).clamp(0, 0.2) * 5

    # Head: turn the sphere, in the reference's own frame.
    head = (part == HEAD).nonzero()[:, 0]
    to_own, to_reference = body.frame[spots.body[head]], reference.frame[who[head]]
    normal = (to_reference.transpose(1, 2) @ (to_own @ spots.normal[head, :, None]))[:, :, 0]
    reach = radius[head] * spots.q[head, None].clamp(min=1)
    colour[head] = start[head] + normal[:, :2] * reach
    seen[head] = (0.1 - normal[:, 2]).clamp(0, 0.2) * 5
    roll = _rolled(to_own, to_reference, spots.normal[head, :2] * spots.q[head, None].clamp(min=1))
    outline[head] = start[head] + roll * radius[head]
    return colour, outline, seen


def _rolled(frame: Tensor, reference: Tensor, offsets: Tensor) -> Tensor:
    """Offsets [M, 2] in a head's picture, turned as its crown is in the reference's picture."""
    crown, other = (_angle(part[:, 1, :2]) for part in (frame, reference))
    turn = other - crown
    c, s = turn.cos(), turn.sin()
    return torch.stack((c * offsets[:, 0] - s * offsets[:, 1], s * offsets[:, 0] + c * offsets[:, 1]), -1)


def _angle(vectors: Tensor) -> Tensor:
    return torch.atan2(vectors[:, 1], vectors[:, 0])


def _sample(sheets: Tensor, first: Tensor, at: Tensor, width: int, height: int) -> Tensor:
    """Bilinear values [M, C] of flattened pictures [., C] that start at rows `first` [M], at pixels `at` [M, 2]; 0 outside."""
    x, y = at[:, 0] - 0.5, at[:, 1] - 0.5
    left, top = x.floor(), y.floor()
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    out = 0.0
    for dx, wx in ((0, 1 - fx), (1, fx)):
        for dy, wy in ((0, 1 - fy), (1, fy)):
            column, line = left + dx, top + dy
            inside = (column >= 0) & (line >= 0) & (column < width) & (line < height)
            index = first + (line.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()
            out = out + sheets[index] * (wx * wy * inside[:, None])
    return out
