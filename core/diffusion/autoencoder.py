"""The bundled model's autoencoder: a figure to latents an eighth of its size, and back, with a detail path.

The decoder is shown the reference laid over the pose (`body_map`), at full size: what the reference shows is copied, sharp, and
only the rest is drawn from the latents. Deterministic, without norm layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .puppet import DETAIL_CHANNELS

COLOURS = 3  # latents that are not learned: the mean colour of each 8 x 8 pixels


@dataclass(frozen=True)
class AutoencoderConfig:
    latent_channels: int = 8
    half: int = 24  # channels at a half of the size: the decoder's detail path
    fine: int = 48  # at a quarter
    coarse: int = 96  # at an eighth


class ResidualConv(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(nn.functional.silu(self.conv1(x)))


def _conv(channels_in: int, channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1)


class Decoder(nn.Module):
    """Latents and the detail path to a figure over mid-grey and its matte."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        half, fine, coarse = config.half, config.fine, config.coarse
        self.detail_in = nn.Sequential(nn.PixelUnshuffle(2), _conv(4 * DETAIL_CHANNELS, half), ResidualConv(half))
        self.detail_fine = nn.Sequential(_conv(half, fine, 2), ResidualConv(fine))
        self.detail_coarse = _conv(fine, coarse, 2)
        self.latents_in = _conv(config.latent_channels, coarse)
        self.at_coarse = nn.Sequential(*(ResidualConv(coarse) for _ in range(3)), _conv(coarse, 4 * fine), nn.PixelShuffle(2))
        self.at_fine = nn.Sequential(ResidualConv(fine), ResidualConv(fine), _conv(fine, 4 * half), nn.PixelShuffle(2))
        self.at_half = nn.Sequential(ResidualConv(half), ResidualConv(half))
        self.out = nn.Sequential(_conv(half, 4 * 5), nn.PixelShuffle(2))  # colour (3), copy or draw, matte
        nn.init.zeros_(self.out[0].weight)
        nn.init.zeros_(self.out[0].bias)

    def trust_reference(self) -> None:
        """Begin again at copying: beside true latents there was little need of it."""
        copy = slice(3 * 4, 4 * 4)  # four pixels
        with torch.no_grad():
            self.out[0].weight[copy] = 0
            self.out[0].bias[copy] = 2

    def forward(self, latents: Tensor, detail: Tensor) -> tuple[Tensor, Tensor]:
        """See `Autoencoder.decode`."""
        half = self.detail_in(detail)  # [B, half, H/2, W/2]
        fine = self.detail_fine(half)  # [B, fine, H/4, W/4]
        h = self.at_coarse(self.latents_in(latents) + self.detail_coarse(fine))
        mean = nn.functional.interpolate(latents[:, :COLOURS], scale_factor=Autoencoder.factor, mode="bilinear")
        h = self.at_fine(h + fine)
        colour, copy, matte = self.out(self.at_half(h + half)).split((3, 1, 1), 1)
        warp, outline, shown, body = detail[:, :3] * 2 - 1, detail[:, 3:4], detail[:, 4:5], detail[:, 5:6]
        # Before any training, what the reference shows is copied and the outline is the reference's, or the capsules'.
        copy = (copy + 9 * shown - 2).sigmoid() * outline
        laid = outline.amax((1, 2, 3), keepdim=True) > 0
        matte = (matte + 8 * torch.where(laid, outline, body) - 4).sigmoid()
        return copy * warp + (1 - copy) * (mean + colour), matte


class Autoencoder(nn.Module):
    """Figures over mid-grey [B, 3, H, W] in -1..1 to latents [B, C, H/8, W/8] of about unit variance, and back.

    The first are the mean colours. H, W multiples of 8.
    """

    factor = 8

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        fine, coarse, latent = config.fine, config.coarse, config.latent_channels
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),  # [B, 48, H/4, W/4]
            _conv(48, fine),
            ResidualConv(fine),
            _conv(fine, coarse, 2),  # [B, coarse, H/8, W/8]
            ResidualConv(coarse),
            ResidualConv(coarse),
            _conv(coarse, latent - COLOURS),
        )
        self.decoder = Decoder(config)
        self.register_buffer("mean", torch.zeros(1, latent, 1, 1))
        self.register_buffer("std", torch.ones(1, latent, 1, 1))

    def encode(self, figures: Tensor) -> Tensor:
        latents = torch.cat((nn.functional.avg_pool2d(figures, self.factor), self.encoder(figures)), 1)
        return (latents - self.mean) / self.std

    def decode(self, latents: Tensor, detail: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and detail [B, 13, H, W], 0..1 (see `puppet`), to figures over mid-grey, -1..1, and mattes [B, 1, H, W]."""
        return self.decoder(latents * self.std + self.mean, detail)
