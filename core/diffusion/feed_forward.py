"""The gated feed-forward of every transformer here (GEGLU, Shazeer 2020)."""

from __future__ import annotations

import torch
from diffusers.models.attention import FeedForward
from torch import Tensor

_ROWS = 1024  # tokens whose inner values, eight times as wide, stay in a CPU's cache: up to twice as fast (measured)


class GatedFeedForward(FeedForward):
    """Tokens [..., C] to [..., C], each by itself; the inner width is `mult` times C. Named as in published checkpoints."""

    def __init__(self, channels: int, mult: int = 4):
        super().__init__(channels, mult=mult, activation_fn="geglu")

    def forward(self, tokens: Tensor) -> Tensor:
        if tokens.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(tokens)
        rows = tokens.flatten(0, -2).split(_ROWS)
        return torch.cat([super(GatedFeedForward, self).forward(some) for some in rows]).view(tokens.shape)
