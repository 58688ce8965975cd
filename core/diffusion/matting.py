"""The reference's matte: which pixels of a picture are the person. What a reference is cut out with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .autoencoder import ResidualConv
from .fill import fill


class Matting(nn.Module):
    """A small U-shaped network over colours, their distance from the picture's border, and the body's capsules."""

    def __init__(self, fine: int = 40, coarse: int = 64):
        super().__init__()
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(5 * 16, fine, 3, padding=1), ResidualConv(fine))
        self.down1 = nn.Sequential(nn.Conv2d(fine, coarse, 3, stride=2, padding=1), ResidualConv(coarse))
        self.down2 = nn.Sequential(nn.Conv2d(coarse, coarse, 3, stride=2, padding=1), ResidualConv(coarse))
        self.down3 = nn.Sequential(
            nn.Conv2d(coarse, coarse, 3, stride=2, padding=1), ResidualConv(coarse), ResidualConv(coarse)
        )
        self.up2 = ResidualConv(coarse)
        self.up1 = nn.Sequential(ResidualConv(coarse), nn.Conv2d(coarse, 4 * fine, 3, padding=1), nn.PixelShuffle(2))
        self.out = nn.Sequential(ResidualConv(fine), nn.Conv2d(fine, 16, 3, padding=1), nn.PixelShuffle(4))

    def forward(self, pictures: Tensor, body: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in 0..1 and where bodies are [B, 1, H, W] (0: not known) to logits [B, 1, H, W].

        H and W are multiples of 32.
        """
        border = torch.cat([pictures[..., 0, :], pictures[..., -1, :], pictures[..., 0], pictures[..., -1]], -1)
        ground = border.median(-1).values[..., None, None]
        stem = self.stem(torch.cat((pictures * 2 - 1, (pictures - ground).abs().amax(1, keepdim=True), body), 1))
        first = self.down1(stem)
        second = self.down2(first)
        h = nn.functional.interpolate(self.down3(second), scale_factor=2)
        h = nn.functional.interpolate(self.up2(h + second), scale_factor=2)
        return self.out(self.up1(h + first) + stem)


def lift(pictures: Tensor, mattes: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] in 0..1 with their figures' mattes [B, 1, H, W] to the figures over mid-grey, without the old
    background's colour at their edges."""
    return fill(pictures, (mattes > 0.95).float()) * mattes + 0.5 * (1 - mattes)
