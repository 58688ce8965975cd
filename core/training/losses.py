"""What the stages of the bundled model's training minimise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

_WINDOW = 5  # pixels: the neighbourhoods whose strength of gradients is compared


@dataclass(frozen=True)
class Weights:
    """How much the two losses count that hold a character together; 0 takes one away.

    identity: the same part of the body is looked up at the same place of the reference in every frame, and each garment keeps
    its mean. motion: what changes from frame to frame is what changes in the truth.
    """

    identity: float = 1.0
    motion: float = 1.0


def picture_loss(figure: Tensor, matte: Tensor, true_figure: Tensor, true_matte: Tensor) -> Tensor:
    """Of figures over mid-grey [B, 3, H, W], -1..1, and mattes [B, 1, H, W], 0..1: for sharp pictures.

    Beside the error, that of the gradients, and inside the figure that of their local strength, which a blur misses even where
    the exact place of an edge is not known; at an outline it would be reached by fur.
    """
    inside = 0.3 + true_matte
    error = figure - true_figure
    value = (inside * (error.abs() + 2 * error**2)).mean()
    slope, texture = 0.0, 0.0
    for axis in (2, 3):
        drawn, true = figure.diff(dim=axis), true_figure.diff(dim=axis)
        slope = slope + (drawn - true).abs().mean()
        inner = nn.functional.avg_pool2d(true_matte.narrow(axis, 1, drawn.shape[axis]), _WINDOW, 2) > 0.99
        strength, true_strength = (_strength(part) for part in (drawn, true))
        texture = texture + (inner * (strength - true_strength).abs()).mean()
    outline = (matte - true_matte).abs().mean() + nn.functional.binary_cross_entropy(matte.clamp(1e-4, 1 - 1e-4), true_matte)
    return value + slope + 24 * texture + 2.5 * outline


def _strength(slopes: Tensor) -> Tensor:
    """Root mean square over neighbourhoods."""
    return (nn.functional.avg_pool2d((slopes**2).mean(1, keepdim=True), _WINDOW, 2) + 1e-4).sqrt()


class MatchLoss:
    """Aligns a character's features with the reference's: cross-entropy of the attention against known correspondences.

    Half of the heads of each layer are taught, on the layers whose reference tokens are the fine ones; the rest stay free.
    """

    def __init__(self, matches: Tensor, tokens: int):
        self.matches, self.tokens = matches, tokens  # int64 [B, H, W]; how many fine tokens a reference has
        self.losses: list[Tensor] = []

    def __call__(self, query: Tensor, key: Tensor) -> None:
        grid, (_, heads, queries, width) = self.matches, query.shape
        if key.shape[2] != self.tokens:
            return
        truth = grid if queries == grid[0].numel() else grid[:, 1::2, 1::2]
        if not (truth >= 0).any():
            return
        taught = (heads + 1) // 2
        logits = (query[:, :taught] @ key[:, :taught].transpose(-1, -2)).float().mean(1) * width**-0.5
        self.losses.append(nn.functional.cross_entropy(logits.flatten(0, 1), truth.flatten(), ignore_index=-100))

    def mean(self) -> Tensor:
        return torch.stack(self.losses).mean() if self.losses else torch.zeros(())


def garment_loss(clean: Tensor, truth: Tensor, regions: Tensor) -> Tensor:
    """Squared difference of each region's mean latent [B, C, H, W]; regions int64 [B, H, W], 0 is left out."""
    kinds = int(regions.max()) + 1
    member = nn.functional.one_hot(regions, kinds)[..., 1:].float()  # [B, H, W, K]
    size = member.sum((1, 2))
    error = torch.einsum("bchw,bhwk->bkc", clean - truth, member) / size.clamp(min=1)[..., None]
    return (error**2).mean()


def motion_loss(clean: Tensor, truth: Tensor, weight: Tensor, frames: int) -> Tensor:
    """Weighted squared difference of what changes from one frame to the next, of latents [B T, C, H, W]."""
    change = (clean - truth).unflatten(0, (-1, frames)).diff(dim=1)
    return (weight.unflatten(0, (-1, frames))[:, 1:] * change**2).mean()
