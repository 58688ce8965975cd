"""Temporal attention: each pixel looks along its own frames (AnimateDiff, Guo 2023), at rotary positions (Su 2021)."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from .attention import attend, to_heads


def rotary(frames: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [frames, width / 2] of the rotary position embedding: relative, so any clip length will do."""
    rates = 100.0 ** (-torch.arange(0, width, 2, device=device) / width)
    angle = torch.arange(frames, device=device)[:, None] * rates
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (first half, second half) of x [B, heads, T, D] by their positions' angles."""
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), -1).to(x.dtype)


class TemporalModule(nn.Module):
    """Attention over frames, then a gated feed-forward; zero at initialisation: a still-picture model stays one."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.to_out = nn.Linear(channels, channels)
        self.feed_norm = nn.LayerNorm(channels)
        self.feed_in = nn.Linear(channels, 4 * channels)
        self.feed_out = nn.Linear(2 * channels, channels)
        for layer in (self.to_out, self.feed_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """x [B T, C, H, W] with T = `frames`, each clip's frames in a row."""
        height, width = x.shape[2:]
        tokens = rearrange(x, "(b t) c h w -> (b h w) t c", t=frames)
        query, key, value = (to_heads(part, self.heads) for part in self.to_qkv(self.norm(tokens)).chunk(3, -1))
        cos, sin = rotary(frames, query.shape[-1], x.device)
        out = attend(rotate(query, cos, sin), rotate(key, cos, sin), value)
        tokens = tokens + self.to_out(rearrange(out, "b h t d -> b t (h d)"))
        gate, fed = self.feed_in(self.feed_norm(tokens)).chunk(2, -1)
        tokens = tokens + self.feed_out(nn.functional.gelu(gate) * fed)
        return rearrange(tokens, "(b h w) t c -> (b t) c h w", h=height, w=width)
