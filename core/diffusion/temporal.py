"""Temporal attention: each pixel looks along its own frames (AnimateDiff, Guo 2023), at rotary or sinusoidal positions."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from ..errors import InvalidRequest
from .attention import Attention, KeyValue
from .feed_forward import GatedFeedForward


def rotary(frames: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [frames, width / 2] of the rotary position embedding (Su 2021): relative, so clips of any length."""
    rates = 100.0 ** (-torch.arange(0, width, 2, device=device) / width)
    angle = torch.arange(frames, device=device)[:, None] * rates
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (first half, second half) of x [B, heads, T, D] by their positions' angles."""
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), -1).to(x.dtype)


class TemporalAttention(Attention):
    """Attention along frames, for tokens [B, T, C] that are one pixel each.

    `positions` None: rotary. Else sinusoidal ones, for at most that many frames, are added to the tokens; they are kept among
    the weights, as in the public checkpoints.
    """

    def __init__(self, channels: int, heads: int, positions: int | None = None):
        super().__init__(channels, heads)
        self.pos_encoder = None if positions is None else SinusoidalPositions(positions, channels)

    def query(self, tokens: Tensor) -> Tensor:
        query = super().query(tokens)
        return query if self.pos_encoder else rotate(query, *rotary(tokens.shape[1], query.shape[-1], query.device))

    def project(self, tokens: Tensor) -> KeyValue:
        key, value = super().project(tokens)
        return (key if self.pos_encoder else rotate(key, *rotary(tokens.shape[1], key.shape[-1], key.device))), value

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, C] to [B, T, C]. Raises `InvalidRequest` where T is more than the sinusoidal positions."""
        if self.pos_encoder:
            tokens = self.pos_encoder(tokens)
        return super().forward(tokens, self.project(tokens))


class SinusoidalPositions(nn.Module):
    """Adds the transformer's absolute positions (Vaswani 2017): sine and cosine in turn."""

    def __init__(self, frames: int, channels: int):
        super().__init__()
        rates = torch.exp(torch.arange(0, channels, 2) * (-math.log(10_000) / channels))
        angle = torch.arange(frames)[:, None] * rates  # [T, C / 2]
        self.register_buffer("pe", rearrange([angle.sin(), angle.cos()], "turn t c -> 1 t (c turn)"))

    def forward(self, tokens: Tensor) -> Tensor:
        frames, most = tokens.shape[1], self.pe.shape[1]
        if frames > most:
            raise InvalidRequest(
                f"A window of {frames} frames is longer than the {most} that this model knows.",
                f"Set the window to {most} frames or fewer.",
            )
        return tokens + self.pe[:, :frames]


class TemporalBlock(nn.Module):
    """Attention along frames, once or more, and a gated feed-forward, each normed before and added: tokens [B, T, C].

    `widening` is the feed-forward's inner width over C.
    """

    def __init__(self, channels: int, heads: int, attentions: int, widening: int, positions: int | None = None):
        super().__init__()
        self.attention_blocks = nn.ModuleList(TemporalAttention(channels, heads, positions) for _ in range(attentions))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(attentions))
        self.ff = GatedFeedForward(channels, widening)
        self.ff_norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor) -> Tensor:
        for norm, attention in zip(self.norms, self.attention_blocks, strict=True):
            tokens = tokens + attention(norm(tokens))
        return tokens + self.ff(self.ff_norm(tokens))


class TemporalModule(nn.Module):
    """A temporal block over the pixels of a clip; zero at initialisation: a still-picture model stays one."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.block = TemporalBlock(channels, heads, attentions=1, widening=2)
        for layer in (self.block.attention_blocks[0].to_out[0], self.block.ff.net[2]):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """x [B T, C, H, W] with T = `frames`, each clip's frames in a row."""
        tokens = self.block(rearrange(x, "(b t) c h w -> (b h w) t c", t=frames))
        return rearrange(tokens, "(b h w) t c -> (b t) c h w", h=x.shape[2], w=x.shape[3])
