"""Temporal windows: how a long clip is cut into overlapping pieces, and how their predictions are fused.

All windows of a clip are of one length: they are rows of frame indices, int64 [W, n], and any rows make a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Layout = Literal["aligned", "loop", "open"]
Fusion = Literal["triangle", "flat"]


def plan(frames: int, size: int, overlap: int, layout: Layout = "aligned", stride: int = 1) -> Tensor:
    """The windows over a clip of `frames`, int64 [W, n]; a clip that is not longer than `size` is one window.

    "aligned": the last window ends with the clip, none wraps around. "loop" and "open": the `uniform` scheduler of
    AnimateAnyone and MagicAnimate, exactly, whose last windows run over the end and go on at frame 0; "open" leaves out those
    that begin within the last `overlap` frames. For these two a `stride` above 1 adds windows of every second frame, ...
    """
    if frames <= size:
        return torch.arange(frames)[None]
    if layout == "aligned":
        starts = torch.tensor([*range(0, frames - size, size - overlap), frames - size])
        return starts[:, None] + torch.arange(size)
    levels = min(stride, math.ceil(math.log2(frames / size)) + 1)
    end = frames if layout == "loop" else frames - overlap
    rows = [
        torch.arange(start, start + size * apart, apart) % frames
        for apart in (2**level for level in range(levels))
        for start in range(0, end, size * apart - overlap)
    ]
    return torch.stack(rows)


def relay(frames: int, size: int, overlap: int) -> list[range]:
    """The windows of a clip that is drawn from its beginning to its end, each going on from the last `overlap` frames of the
    one before. All are `size` long but the first, which is shorter, so that there soon is something to see."""
    new = size - overlap
    first = frames - new * max(0, math.ceil((frames - size) / new))
    return [range(0, first), *(range(stop - size, stop) for stop in range(first + new, frames + 1, new))]


def fuse(windows: Tensor, predict: Callable[[Tensor], Tensor], fusion: Fusion = "triangle", batch: int = 1) -> Tensor:
    """The windows' predictions fused to one for the clip, f32 [frames, ...].

    `predict` is given `batch` rows of `windows` at a time, [b, n], and returns [b, n, ...]. Where windows overlap their mean is
    taken: "flat", or weighted by a triangle that peaks at each window's middle.
    """
    frames, count = int(windows.max()) + 1, windows.shape[1]
    weight = torch.ones(count) if fusion == "flat" else torch.arange(1, count + 1).minimum(torch.arange(count, 0, -1)).float()
    total, weights = None, torch.zeros(frames)
    for rows in windows.split(batch):
        for window, part in zip(rows, predict(rows).float(), strict=True):
            if total is None:
                total = part.new_zeros(frames, *part.shape[1:])
            # Not `index_add_`: a strided window can hold a frame twice, of which the published code keeps the last.
            total[window] = total[window] + part * _as(weight, part)
            weights[window] = weights[window] + weight
    return total / _as(weights, total)


def _as(weights: Tensor, values: Tensor) -> Tensor:
    """Weights [n] on the device and with the dimensions of `values` [n, ...]."""
    return weights.to(values.device).view(-1, *(1,) * (values.ndim - 1))
