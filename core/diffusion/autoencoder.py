"""The bundled model's autoencoder: pictures to latents an eighth of the size, and back. Deterministic, without norm layers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class AutoencoderConfig:
    latent_channels: int = 8
    fine: int = 64  # channels at a quarter of the size
    coarse: int = 128  # channels at an eighth
    fine_blocks: int = 2
    coarse_blocks: int = 3


class ResidualConv(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(nn.functional.silu(self.conv1(x)))


class Autoencoder(nn.Module):
    """Pictures [B, 3, H, W] in -1..1 to latents [B, C, H/8, W/8] of about unit variance, and back. H, W multiples of 8."""

    factor = 8

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        fine, coarse, latent = config.fine, config.coarse, config.latent_channels
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),  # [B, 48, H/4, W/4]
            nn.Conv2d(48, fine, 3, padding=1),
            *(ResidualConv(fine) for _ in range(config.fine_blocks)),
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1),  # [B, coarse, H/8, W/8]
            *(ResidualConv(coarse) for _ in range(config.coarse_blocks)),
            nn.Conv2d(coarse, latent, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(latent, coarse, 3, padding=1),
            *(ResidualConv(coarse) for _ in range(config.coarse_blocks)),
            nn.Conv2d(coarse, fine * 4, 3, padding=1),
            nn.PixelShuffle(2),  # [B, fine, H/4, W/4]
            *(ResidualConv(fine) for _ in range(config.fine_blocks + 1)),
            nn.Conv2d(fine, 48, 3, padding=1),
            nn.PixelShuffle(4),  # [B, 3, H, W]
        )
        self.register_buffer("mean", torch.zeros(1, latent, 1, 1))
        self.register_buffer("std", torch.ones(1, latent, 1, 1))

    def encode(self, pictures: Tensor) -> Tensor:
        return (self.encoder(pictures) - self.mean) / self.std

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(latents * self.std + self.mean)
