"""From control pictures to features at the latents' size: AnimateAnyone's pose guider, Champ's guidance encoders."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn


class PoseGuider(nn.Module):
    """Convolutions that halve a picture once per width but the first: [b, 3, 8h, 8w] in 0..1 to [b, channels, h, w].

    Also ControlNet's embedding of its condition.
    """

    def __init__(self, channels: int, widths: tuple[int, ...] = (16, 32, 96, 256)):
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for before, after in pairwise(widths):
            self.blocks.append(nn.Conv2d(before, before, 3, padding=1))
            self.blocks.append(nn.Conv2d(before, after, 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(widths[-1], channels, 3, padding=1)

    @classmethod
    def shaped_as(cls, tensors: Mapping[str, Tensor]) -> PoseGuider:
        """A guider of the widths that a checkpoint has."""
        weights = [value for key, value in tensors.items() if key.endswith("weight")]
        inner = [tensors[f"blocks.{index}.weight"].shape[0] for index in range(1, len(weights) - 2, 2)]
        return cls(tensors["conv_out.weight"].shape[0], (tensors["conv_in.weight"].shape[0], *inner))

    def forward(self, pictures: Tensor) -> Tensor:
        h = nn.functional.silu(self.conv_in(pictures))
        for block in self.blocks:
            h = nn.functional.silu(block(h))
        return self.conv_out(h)
