"""From control pictures to the features that a denoiser adds to its own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from .blocks import SelfTransformer

WIDTHS = (16, 32, 96, 256)


class PoseGuider(nn.Module):
    """AnimateAnyone's: convolutions that halve a picture once per width but the first. Also ControlNet's embedding of its
    condition."""

    def __init__(self, channels: int, widths: tuple[int, ...] = WIDTHS):
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for before, after in pairwise(widths):
            self.blocks.append(nn.Conv2d(before, before, 3, padding=1))
            self.blocks.append(nn.Conv2d(before, after, 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(widths[-1], channels, 3, padding=1)

    @classmethod
    def shaped_as(cls, tensors: Mapping[str, Tensor], channels: int) -> PoseGuider:
        """A guider of the widths that a checkpoint has, or else of the published ones."""
        names = ["conv_in.weight", *(f"blocks.{index}.weight" for index in range(1, 2 * len(WIDTHS) - 2, 2))]
        return cls(channels, tuple(len(tensors[name]) for name in names) if tensors.keys() >= set(names) else WIDTHS)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures [b, 3, 8h, 8w] in 0..1 to [b, channels, h, w]."""
        h = nn.functional.silu(self.conv_in(pictures))
        for block in self.blocks:
            h = nn.functional.silu(block(h))
        return [self.finish(h)]

    def finish(self, h: Tensor) -> Tensor:
        """From the last of the widths."""
        return self.conv_out(h)


class GuidanceEncoder(PoseGuider):
    """Champ's: a pose guider whose last features are attended to. Of its other transformers its authors use none."""

    HEADS = 8

    def __init__(self, channels: int, widths: tuple[int, ...] = WIDTHS):
        super().__init__(channels, widths)
        self.last = str(len(self.blocks) - 1)
        self.attentions = nn.ModuleDict({self.last: SelfTransformer(widths[-1], widths[-1], self.HEADS)})

    @property
    def unread(self) -> list[str]:
        """Patterns of the keys that a checkpoint has beside ours."""
        return ["guidance_attention.*", *(f"attentions.{index}.*" for index in range(int(self.last)))]

    def finish(self, h: Tensor) -> Tensor:
        return super().finish(self.attentions[self.last](h))


class PyramidGuider(nn.Module):
    """AniPortrait's: features at the latents' size, and at the size that each of the UNet's blocks passes down.

    `width` is that of the transformers in between. They are called after the reference's control picture, which the published
    code reads as well; but nothing of it reaches the features.
    """

    HEAD, WIDTH = 88, 1408

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv_layers = convolutions(
            (3, 3, 3, 1), (3, 16, 4, 2), (16, 16, 3, 1), (16, 32, 4, 2), (32, 32, 3, 1), (32, 64, 4, 2), (64, 64, 3, 1),
            (64, 128, 3, 1),
        )  # fmt: skip
        self.final_proj = nn.Conv2d(128, channels, 1)
        self.scale = nn.Parameter(torch.ones(1))
        one, two, four = channels, 2 * channels, 4 * channels
        self.conv_layers_1 = convolutions((one, one, 3, 1), (one, one, 3, 2))
        self.conv_layers_2 = convolutions((one, one, 3, 1), (one, two, 3, 2))
        self.conv_layers_3 = convolutions((two, two, 3, 1), (two, four, 3, 2))
        self.conv_layers_4 = convolutions((four, four, 3, 1))
        self.cross_attn1, self.cross_attn2, self.cross_attn3, self.cross_attn4 = (
            SelfTransformer(wide, width, width // self.HEAD) for wide in (one, two, four, four)
        )

    @classmethod
    def shaped_as(cls, tensors: Mapping[str, Tensor], channels: int) -> PyramidGuider:
        """A guider of the width that a checkpoint has, or else of the published one."""
        name = "cross_attn1.proj_in.weight"
        return cls(channels, len(tensors[name]) if name in tensors else cls.WIDTH)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures [t, 3, 8h, 8w] in 0..1 of one window to [t, channels, h, w], [t, channels, h/2, w/2], ..."""
        levels = (
            nn.Sequential(self.conv_layers_1, self.cross_attn1), nn.Sequential(self.conv_layers_2, self.cross_attn2),
            nn.Sequential(self.conv_layers_3, self.cross_attn3), nn.Sequential(self.conv_layers_4, self.cross_attn4),
        )  # fmt: skip
        # The published code takes pixels of 0..255 for 0..1. Channels last cost a batch norm on the CPU most of its precision.
        features = [self.final_proj(self.conv_layers(2 * (255 * pictures.contiguous()) - 1)) * self.scale]
        for level in levels:
            features.append(level(features[-1]))
        return features


def convolutions(*layers: tuple[int, int, int, int]) -> nn.Sequential:
    """Layers of (channels in, channels out, kernel, stride), each normed, and rectified."""
    parts: list[nn.Module] = []
    for before, after, kernel, stride in layers:
        parts += [nn.Conv2d(before, after, kernel, stride, padding=1), WindowNorm(after), nn.ReLU()]
    return nn.Sequential(*parts)


class WindowNorm(nn.BatchNorm2d):
    """Batch norm of x [t, c, h, w] by its own statistics: so it is in training, which the published code never leaves.

    The statistics gathered in training are among the weights, unused.
    """

    def forward(self, x: Tensor) -> Tensor:
        # Not `nn.functional.batch_norm`: it refuses a single value, which the coarsest level of a small picture has.
        return torch.batch_norm(x, self.weight, self.bias, None, None, True, 0.0, self.eps, torch.backends.cudnn.enabled)
