"""The pose guider: a skeleton picture to features that are added after the denoiser's first convolution."""

from __future__ import annotations

from torch import Tensor, nn


class PoseGuider(nn.Sequential):
    """Skeleton picture [B, 3, H/2, W/2] in 0..1, half the frame's size, to [B, channels, H/8, W/8]. Zero at initialisation."""

    def __init__(self, channels: int, hidden: int = 96):
        super().__init__(
            nn.PixelUnshuffle(4),  # [B, 48, H/8, W/8]
            nn.Conv2d(48, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(hidden, channels, 3, padding=1),
        )
        nn.init.zeros_(self[-1].weight)

    def forward(self, skeleton: Tensor) -> Tensor:
        return super().forward(skeleton)
