"""The convolution blocks that the bundled model's networks are made of."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two normed convolutions; a time embedding, where there is one, scales and shifts in between."""

    def __init__(self, channels_in: int, channels: int, embedding: int = 0):
        super().__init__()
        self.norm1 = nn.GroupNorm(16, channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.modulate = nn.Linear(embedding, 2 * channels) if embedding else None
        self.norm2 = nn.GroupNorm(16, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        h = self.norm2(self.conv1(nn.functional.silu(self.norm1(x))))
        if self.modulate is not None and embedding is not None:
            scale, shift = self.modulate(embedding)[:, :, None, None].chunk(2, 1)
            h = h * (1 + scale) + shift
        return self.skip(x) + self.conv2(nn.functional.silu(h))


class Downsample(nn.Conv2d):
    """Halve the size: [B, C, H, W] to [B, C', H/2, W/2]."""

    def __init__(self, channels_in: int, channels: int):
        super().__init__(channels_in, channels, 3, stride=2, padding=1)


class Upsample(nn.Sequential):
    """Double the size: [B, C, H, W] to [B, C', 2H, 2W]."""

    def __init__(self, channels_in: int, channels: int):
        super().__init__(nn.Conv2d(channels_in, channels, 3, padding=1), nn.Upsample(scale_factor=2, mode="nearest"))


def sinusoid(t: Tensor, channels: int) -> Tensor:
    """Sinusoidal embedding [B, channels] of times t [B] in 0..1."""
    rates = torch.exp(torch.arange(channels // 2, device=t.device) * (-math.log(10_000) / (channels // 2)))
    angle = 1000 * t[:, None] * rates
    return torch.cat((angle.cos(), angle.sin()), 1)
