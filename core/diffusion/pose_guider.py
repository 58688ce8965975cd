"""The pose guider: body map and warped reference to features that are added after the denoiser's first convolution."""

from __future__ import annotations

from torch import Tensor, nn

from .puppet import DETAIL_CHANNELS


class PoseGuider(nn.Sequential):
    """Detail [B, 13, H, W] in 0..1 (see `puppet`) to [B, channels, H/8, W/8]. Zero at initialisation."""

    def __init__(self, channels: int, hidden: int = 64):
        super().__init__(
            nn.AvgPool2d(2),
            nn.PixelUnshuffle(4),  # [B, 208, H/8, W/8]
            nn.Conv2d(16 * DETAIL_CHANNELS, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(hidden, channels, 3, padding=1),
        )
        nn.init.zeros_(self[-1].weight)

    def forward(self, detail: Tensor) -> Tensor:
        return super().forward(detail)
