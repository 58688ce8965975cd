"""What hangs between the legs: a skirt or a coat as a sheet from one leg to the other.

Parts that follow a leg each (`puppet`) leave a gap where the legs of a skirted figure spread.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .body import PARTS, Body

_LEVELS, _ACROSS = 64, 24  # a sheet's size: from the hips to the ankles, from the left leg to the right one
_FINER = 4  # how many times finer it is laid over a pose, so that it covers each pixel
_APART = 1.15  # legs this many times their radii apart show whether there is anything between them
_SHORTEST = 0.45  # of the legs' length: above, thighs touch as well
_LEGS = torch.tensor([[PARTS.index(f"{side}_{bone}") for bone in ("thigh", "shin")] for side in ("left", "right")])


def skirts_of(pictures: Tensor, mattes: Tensor, bodies: Body) -> Tensor:
    """Sheets f32 [R, 4, levels, across], colour and matte in 0..1, of references f32 [R, 3, H, W] with mattes [R, 1, H, W].

    The matte is 1 down to the lowest place where the legs are apart and something is between them; all 0 for legs in trousers,
    and where no hem is seen: what fills the gap down to the feet is more often a hand or a shoe.
    """
    places, radii = _between(bodies, _LEVELS, _ACROSS)
    height, width = mattes.shape[2:]
    grid = 2 * places / torch.tensor([width, height], device=places.device) - 1
    sheets = torch.nn.functional.grid_sample(torch.cat((pictures, mattes), 1), grid, align_corners=False)
    apart = (places[:, :, 0] - places[:, :, -1]).norm(dim=-1) > _APART * radii + 2  # [R, levels]
    middle = sheets[:, 3, :, _ACROSS // 3 : -_ACROSS // 3]
    closed = apart & (middle.amin(-1) > 0.9)
    level = torch.linspace(0, 1, _LEVELS, device=places.device)
    opened = (apart & ~closed & (level > _SHORTEST / 2)).cumsum(1) > 0
    lowest = (level * (closed & ~opened)).amax(1, keepdim=True)
    hemmed = opened[:, -1:] & (lowest > _SHORTEST)
    hangs = (level <= lowest) & hemmed & bodies.present[:, _LEGS.flatten()].all(1, keepdim=True)
    sheets[:, 3] = hangs[:, :, None]
    return sheets


def hang(sheets: Tensor, bodies: Body, width: int, height: int) -> Tensor:
    """Sheets [N, 4, levels, across] between the legs of bodies [N]: colour and matte f32 [N, 4, H, W]."""
    count = len(sheets)
    hung = torch.zeros(count, height * width, 4, device=sheets.device)
    skirted = (sheets[:, 3].amax((1, 2)) > 0) & bodies.present[:, _LEGS.flatten()].all(1)
    for n in skirted.nonzero()[:, 0].tolist():
        one = slice(n, n + 1)
        values = torch.nn.functional.interpolate(sheets[one], scale_factor=_FINER, mode="bilinear")
        places, _ = _between(bodies[one], *values.shape[2:])
        column, line = places[0].floor().long().unbind(-1)
        there = (values[0, 3] > 0.5) & (column >= 0) & (line >= 0) & (column < width) & (line < height)
        pixels = (line * width + column)[there]
        samples = torch.arange(len(pixels), device=pixels.device)
        last = pixels.new_full((height * width,), -1).scatter_reduce(0, pixels, samples, "amax")  # of those at one pixel
        covered = last >= 0
        hung[n, covered] = values[0, :, there].T[last[covered]]
    return hung.transpose(1, 2).unflatten(2, (height, width))


def _between(bodies: Body, levels: int, across: int) -> tuple[Tensor, Tensor]:
    """Pixels [N, levels, across, 2] of a grid between the legs' axes, and the sum of both legs' radii, pixels [N, levels]."""
    position = torch.linspace(0, 2, levels, device=bodies.ends.device)
    bone = (position >= 1).long()
    share = position - bone
    parts = _LEGS.to(bodies.ends.device)[:, bone]  # [2, levels]
    axes = torch.lerp(bodies.ends[:, parts, 0], bodies.ends[:, parts, 1], share[:, None])  # [N, 2, levels, 2]
    radii = torch.lerp(bodies.radii[:, parts, 0], bodies.radii[:, parts, 1], share).sum(1)
    aside = torch.linspace(0, 1, across, device=position.device)[:, None]
    return torch.lerp(axes[:, 0, :, None], axes[:, 1, :, None], aside), radii
