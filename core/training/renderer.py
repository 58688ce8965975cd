"""Batched orthographic ray casting of round cones (spheres swept from one radius to another), in torch.

The screen is [H, W] with x right and y down in pixels, z towards the viewer in the same unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor


@dataclass(frozen=True)
class Cones:
    """N round cones in each of F frames. Radius 0 at both ends: not there.

    ends    f32 [F, N, 2, 3]  screen space: pixels, y down, z towards the viewer
    radii   f32 [F, N, 2]     pixels
    colours f32 [F, N, 2, 3]  linear RGB on this side and that of `cut`
    cut     f32 [F, N]        where along the axis (0..1) the first colour gives way to the second
    stripes f32 [F, N]        0, or how many pairs of stripes of the two colours run around it before `cut`
    """

    ends: Tensor
    radii: Tensor
    colours: Tensor
    cut: Tensor
    stripes: Tensor


@dataclass(frozen=True)
class Lights:
    """key f32 [F, 3] unit vector to the light; ambient, shine f32 [F]."""

    key: Tensor
    ambient: Tensor
    shine: Tensor


@dataclass(frozen=True)
class Render:
    """pictures f32 [F, 3, H, W] in 0..1 (sRGB); mattes f32 [F, 1, H, W]

    And what is seen at the middle of each 8 x 8 cell: cone uint8 [F, H/8, W/8] (`NO_CONE`: the background) and along f32, the
    position on its axis.
    """

    pictures: Tensor
    mattes: Tensor
    cone: Tensor
    along: Tensor


NO_CONE = 255
CELL = 8


def render(cones: Cones, lights: Lights, background: Tensor, supersample: int = 2) -> Render:
    """Draw the cones over `background` f32 [F, 3, H, W]; H and W are multiples of 8."""
    frames, _, height, width = background.shape
    tall, wide = height * supersample, width * supersample
    ends, radii = cones.ends * supersample, cones.radii * supersample

    frame, cone, x, y = _pixels_in_boxes(ends, radii, tall, wide)
    along, z = _hit(ends[frame, cone], radii[frame, cone], x + 0.5, y + 0.5)
    hit = torch.isfinite(z)
    frame, cone, x, y, along, z = (value[hit] for value in (frame, cone, x, y, along, z))

    pixel = (frame * tall + y.long()) * wide + x.long()
    nearest = torch.full((frames * tall * wide,), -torch.inf).scatter_reduce(0, pixel, z, "amax")
    front = z == nearest[pixel]
    frame, cone, x, y, along, z, pixel = (value[front] for value in (frame, cone, x, y, along, z, pixel))

    (start, end), (r0, r1) = ends[frame, cone].unbind(1), radii[frame, cone].unbind(1)
    centre = start + along[:, None] * (end - start)
    radius = r0 + along * (r1 - r0)
    normal = torch.stack((x + 0.5, y + 0.5, z), 1).sub(centre) / radius[:, None].clamp(min=1e-3)

    first, second = cones.colours[frame, cone].unbind(1)
    stripes = cones.stripes[frame, cone]
    in_stripe = (stripes > 0) & ((along * stripes).frac() > 0.5)
    albedo = torch.where(((along > cones.cut[frame, cone]) | in_stripe)[:, None], second, first)

    lambert = (normal * lights.key[frame]).sum(1).clamp(min=0)
    ambient = lights.ambient[frame] * (1 - 0.25 * normal[:, 1])  # brighter from above: y is down
    gloss = lights.shine[frame] * lambert**24
    shaded = albedo * (ambient + (1 - lights.ambient[frame]) * lambert)[:, None] + gloss[:, None]
    shaded = shaded.clamp(0, 1) ** (1 / 2.2)

    background = background.repeat_interleave(supersample, 2).repeat_interleave(supersample, 3)
    picture = rearrange(background, "f c h w -> (f h w) c").clone()
    picture[pixel] = shaded
    matte = torch.zeros(frames * tall * wide)
    matte[pixel] = 1
    picture = rearrange(picture, "(f h w) c -> f c h w", f=frames, h=tall)
    matte = rearrange(matte, "(f c h w) -> f c h w", f=frames, c=1, h=tall)
    seen = torch.full((frames * tall * wide,), NO_CONE, dtype=torch.uint8)
    seen[pixel] = cone.to(torch.uint8)
    where = torch.zeros(frames * tall * wide)
    where[pixel] = along
    middle = slice(CELL * supersample // 2, None, CELL * supersample)
    seen, where = (value.view(frames, tall, wide)[:, middle, middle].contiguous() for value in (seen, where))
    shrink = torch.nn.functional.avg_pool2d
    return Render(shrink(picture, supersample), shrink(matte, supersample), seen, where)


def _pixels_in_boxes(ends: Tensor, radii: Tensor, tall: int, wide: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every (frame, cone, x, y) with the pixel inside the cone's bounding box; x and y are f32."""
    limit = torch.tensor([wide, tall])
    low = (ends[..., :2] - radii[..., None]).amin(2).floor().clamp(min=0).minimum(limit)
    high = (ends[..., :2] + radii[..., None]).amax(2).ceil().clamp(min=0).minimum(limit)
    size = (high - low).long() * (radii.amax(2) > 0)[..., None]
    columns, count = size[..., 0].flatten(), size.prod(-1).flatten()
    box = torch.repeat_interleave(torch.arange(len(count)), count)
    offset = torch.arange(len(box)) - (count.cumsum(0) - count)[box]
    x = low[..., 0].flatten()[box] + offset % columns[box]
    y = low[..., 1].flatten()[box] + offset // columns[box]
    return box // ends.shape[1], box % ends.shape[1], x, y


def _hit(ends: Tensor, radii: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Where a ray along -z through (x, y) first meets the round cone: (position along the axis 0..1, z or -inf).

    The surface is the upper envelope of spheres, z(t) = z0 + dz t + sqrt(Q(t)) with Q a concave quadratic; its maximum has a
    closed form, and as z(t) is concave, clamping t to the axis keeps it the maximum.
    """
    (x0, y0, z0), (x1, y1, z1) = ends[:, 0].unbind(1), ends[:, 1].unbind(1)
    r0, dr = radii[:, 0], radii[:, 1] - radii[:, 0]
    dx, dy, dz, qx, qy = x1 - x0, y1 - y0, z1 - z0, x - x0, y - y0
    a = (dr * dr - dx * dx - dy * dy).clamp(max=-1e-3)
    b = 2 * (r0 * dr + qx * dx + qy * dy)
    c = r0 * r0 - qx * qx - qy * qy
    discriminant = (b * b - 4 * a * c).clamp(min=0)
    t = (-b / (2 * a) + dz * (discriminant / (dz * dz - a)).sqrt() / (-2 * a)).clamp(0, 1)
    q = (a * t + b) * t + c
    z = torch.where(q >= 0, z0 + dz * t + q.clamp(min=0).sqrt(), -torch.inf)
    return t, z
