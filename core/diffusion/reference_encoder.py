"""The reference encoder: a figure's latents and body map to tokens that the denoiser's attention reads."""

from __future__ import annotations

from dataclasses import dataclass

from einops import rearrange
from torch import Tensor, cat, nn

from .blocks import Downsample, ResidualBlock, Upsample
from .body_map import MAP_CHANNELS


@dataclass(frozen=True)
class ReferenceEncoderConfig:
    latent_channels: int = 8
    channels: tuple[int, int, int] = (48, 96, 160)

    @property
    def token_channels(self) -> tuple[int, int, int]:
        """Channels of the tokens at each level of the denoiser, finest first."""
        fine, middle, coarse = self.channels
        return 4 * fine, middle, coarse


class ReferenceEncoder(nn.Module):
    """A U-shaped network. Its finest features are folded 2 x 2 into tokens, so that attending to them stays cheap."""

    def __init__(self, config: ReferenceEncoderConfig):
        super().__init__()
        fine, middle, coarse = config.channels
        self.conv_in = nn.Conv2d(config.latent_channels + MAP_CHANNELS, fine, 3, padding=1)
        self.down1 = ResidualBlock(fine, fine)
        self.to_middle = Downsample(fine, middle)
        self.down2 = ResidualBlock(middle, middle)
        self.to_coarse = Downsample(middle, coarse)
        self.mid = nn.Sequential(ResidualBlock(coarse, coarse), ResidualBlock(coarse, coarse))
        self.from_coarse = Upsample(coarse, middle)
        self.up2 = ResidualBlock(2 * middle, middle)
        self.from_middle = Upsample(middle, fine)
        self.up1 = ResidualBlock(2 * fine, fine)
        # Training only: the reference's own body map, predicted, teaches the tokens which part of the body they show.
        self.body = nn.Conv2d(fine, MAP_CHANNELS, 1)

    def forward(self, latents: Tensor, body: Tensor) -> tuple[list[Tensor], Tensor]:
        """Latents [R, C, H, W] and the reference's body map [R, 8, H, W] (0: not known) to tokens, finest first
        ([R, H W/4, .] twice, [R, H W/16, .]), and the body map as the encoder sees it."""
        first = self.down1(self.conv_in(cat((latents, body), 1)))  # [R, fine, H, W]
        second = self.down2(self.to_middle(first))  # [R, middle, H/2, W/2]
        coarse = self.mid(self.to_coarse(second))  # [R, coarse, H/4, W/4]
        middle = self.up2(cat((self.from_coarse(coarse), second), 1))
        fine = self.up1(cat((self.from_middle(middle), first), 1))
        tokens = [
            rearrange(fine, "r c (h i) (w j) -> r (h w) (c i j)", i=2, j=2),
            rearrange(middle, "r c h w -> r (h w) c"),
            rearrange(coarse, "r c h w -> r (h w) c"),
        ]
        return tokens, self.body(fine)
