"""Temporal windows: how a long clip is cut into overlapping pieces, and how their predictions are fused."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def windows(frames: int, size: int, overlap: int) -> list[slice]:
    """Overlapping windows of `size` frames over a clip; the last is aligned with the clip's end, none wraps around."""
    if frames <= size:
        return [slice(0, frames)]
    starts = [*range(0, frames - size, size - overlap), frames - size]
    return [slice(start, start + size) for start in starts]


def fuse(frames: int, size: int, overlap: int, predict: Callable[[slice], Tensor]) -> Tensor:
    """The windows' predictions [n, ...] fused to one [frames, ...], each weighted by a triangle that peaks at its middle."""
    total, weights = None, torch.zeros(frames)
    for window in windows(frames, size, overlap):
        part = predict(window).float()
        if total is None:
            total = part.new_zeros(frames, *part.shape[1:])
        count = len(part)
        ramp = torch.minimum(torch.arange(1, count + 1), torch.arange(count, 0, -1)).float()
        total[window] += part * ramp.to(part.device).view(-1, *(1,) * (part.ndim - 1))
        weights[window] += ramp
    return total / weights.to(total.device).view(-1, *(1,) * (total.ndim - 1))
