"""Colours carried on from where they are known to where they are not."""

from __future__ import annotations

import torch
from torch import Tensor


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
