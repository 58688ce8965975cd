"""Stable Diffusion 1.5's UNet in the three parts that it plays here: denoiser of clips, reference encoder, ControlNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import torch
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import Tensor, nn

from ..attention import KeyValue
from .blocks import DownBlock, GroupNorm, LastWriter, MidBlock, Sees, SpatialTransformer, UpBlock
from .config import UNetConfig
from .guiders import PoseGuider


class Trunk(nn.Module):
    """The way down and the middle, which all three parts have."""

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.config = config
        first = config.channels[0]
        self.conv_in = nn.Conv2d(config.in_channels, first, 3, padding=1)
        self.time_proj = Timesteps(first, config.flip_sin_to_cos, config.frequency_shift)
        self.time_embedding = TimestepEmbedding(first, config.embedding)
        self.transformers = 0
        self.down_blocks = nn.ModuleList()
        before, coarsest = first, len(config.channels) - 1
        for level, width in enumerate(config.channels):
            widths = [(before, width)] + [(width, width)] * (config.layers - 1)
            attentions = self._attentions(level, config.layers)
            temporal = self._is_temporal(level) and config.temporal.down
            self.down_blocks.append(DownBlock(widths, config, attentions, temporal, halve=level < coarsest))
            before = width
        self.transformers_down = self.transformers
        temporal = config.temporal is not None and config.temporal.mid
        attentions = [self._attention(coarsest)]
        self.mid_block = MidBlock([(before, before)] * 2, config, attentions, temporal)

    def _attention(self, level: int) -> SpatialTransformer:
        self.transformers += 1
        return SpatialTransformer(self.config.channels[level], self.config.heads[level], self.config, self.transformers - 1)

    def _attentions(self, level: int, count: int) -> list[nn.Module]:
        return [self._attention(level) for _ in range(count)] if self.config.attends[level] else []

    def _is_temporal(self, level: int) -> bool:
        return self.config.temporal is not None and level in self.config.temporal.levels

    def spatial_transformers(self) -> list[SpatialTransformer]:
        """In the order they run."""
        found = [module for module in self.modules() if isinstance(module, SpatialTransformer)]
        return sorted(found, key=lambda transformer: transformer.index)

    def read_text(self, text: Tensor) -> list[KeyValue | Tensor]:
        """Text tokens [1, l, c] as each spatial transformer reads them: once a job."""
        return [transformer.read_text(text) for transformer in self.spatial_transformers()]

    def embed(self, time: float) -> Tensor:
        """The embedding [1, E] of a time in the scheduler's steps."""
        weight = self.time_embedding.linear_1.weight
        return self.time_embedding(self.time_proj(torch.tensor([time], device=weight.device)).to(weight.dtype))

    def descend(self, h: Tensor, sees: Sees, added: Sequence[Tensor] = ()) -> tuple[Tensor, list[Tensor]]:
        """From the first features h [(b t), c, h, w] to the coarsest, and all those on the way, for the way up.

        `added`: to what each block passes down, but not to what it leaves for the way up.
        """
        skips = [h]
        for block, more in zip_longest(self.down_blocks, added):
            h = block(h, sees, skips)
            if more is not None:
                h = h + more
        return h, skips


class UNet(Trunk):
    """The trunk, and the way up."""

    def __init__(self, config: UNetConfig):
        super().__init__(config)
        self.up_blocks = nn.ModuleList()
        before, coarsest = config.channels[-1], len(config.channels) - 1
        for level in range(coarsest, -1, -1):
            width, skip = config.channels[level], config.channels[max(level - 1, 0)]
            last = config.layers  # the layer that takes the skip from before the level's own
            into = [(before if i == 0 else width) + (skip if i == last else width) for i in range(last + 1)]
            attentions = self._attentions(level, config.layers + 1)
            temporal = self._is_temporal(level)
            self.up_blocks.append(UpBlock([(i, width) for i in into], config, attentions, temporal, double=level > 0))
            before = width

    def ascend(self, h: Tensor, skips: list[Tensor], sees: Sees) -> Tensor:
        """From the middle's features up to the finest [(b t), c, h, w]."""
        remaining = list(skips)
        for block in self.up_blocks:
            h = block(h, sees, remaining)
        return h


@dataclass(frozen=True)
class Residuals:
    """What a ControlNet adds: to each of the UNet's skips, and to what comes out of the middle."""

    skips: list[Tensor]
    mid: Tensor


class Denoiser(UNet):
    """The UNet that denoises windows of frames, with temporal transformers."""

    def __init__(self, config: UNetConfig):
        super().__init__(config)
        first = config.channels[0]
        self.conv_norm_out = GroupNorm(config.groups, first, config.epsilon)
        self.conv_out = nn.Conv2d(first, config.out_channels, 3, padding=1)

    def read_reference(self, tokens: list[Tensor | None]) -> list[KeyValue | None]:
        """Reference tokens [1, n, c] of each spatial transformer, as the reference encoder wrote them, to its keys and values.

        They are the same for all steps and windows at which the tokens are.
        """
        pairs = zip(self.spatial_transformers(), tokens, strict=True)
        return [None if written is None else transformer.attention.project(written) for transformer, written in pairs]

    def forward(self, latents: Tensor, sees: Sees, pose: Sequence[Tensor] = (), control: Residuals | None = None) -> Tensor:
        """Noisy latents [(b t), 4, h, w] to predicted noise or velocity; of `pose` the first features [(b t), c, h, w] are
        added to the first convolution's, and each further to those of a block on the way down."""
        return self.finish(*self.begin(latents, sees, pose, control), sees)

    def begin(
        self, latents: Tensor, sees: Sees, pose: Sequence[Tensor] = (), control: Residuals | None = None
    ) -> tuple[Tensor, list[Tensor], Tensor | None]:
        """The way down: all that comes before a reference that is read only on the way up, and so is the same without it."""
        h = self.conv_in(latents)
        h, skips = self.descend(h + pose[0] if pose else h, sees, pose[1:])
        if control is None:
            return h, skips, None
        return h, [skip + added for skip, added in zip(skips, control.skips, strict=True)], control.mid

    def finish(self, h: Tensor, skips: list[Tensor], control: Tensor | None, sees: Sees) -> Tensor:
        h = self.mid_block(h, sees)
        h = self.ascend(h if control is None else h + control, skips, sees)
        h = self.conv_norm_out(h, sees.frames if self.config.joint_norm else 1)
        return self.conv_out(nn.functional.silu(h))


class ReferenceEncoder(UNet):
    """The UNet that reads a reference picture, for the tokens that its spatial transformers see (ReferenceNet, Hu 2023).

    Of its last one there is only what comes before those tokens.
    """

    def __init__(self, config: UNetConfig):
        super().__init__(replace(config, temporal=None, joint_norm=False))
        self.up_blocks[-1].attentions[-1] = LastWriter(config.channels[0], config)

    @property
    def unread(self) -> list[str]:
        """Patterns of the keys that a checkpoint of the whole network has beside ours: what comes after the last tokens."""
        last = f"up_blocks.{len(self.up_blocks) - 1}.attentions.{self.config.layers}"
        block = [f"{last}.transformer_blocks.0.{part}.*" for part in ("attn1", "norm2", "attn2", "norm3", "ff")]
        return [*block, f"{last}.proj_out.*", "conv_norm_out.*", "conv_out.*"]

    def forward(self, latents: Tensor, time: float, text: Tensor) -> list[Tensor]:
        """A reference's latents [1, 4, h, w] and text tokens [1, l, c] to tokens [1, n, c] of each transformer."""
        sees = Sees(self.embed(time), 1, self.read_text(text), [None] * self.transformers, [])
        h, skips = self.descend(self.conv_in(latents), sees)
        self.ascend(self.mid_block(h, sees), skips, sees)
        return sees.written


class ControlNet(Trunk):
    """The trunk that reads control pictures, one by one, and tells a UNet what to add (Zhang 2023)."""

    def __init__(self, config: UNetConfig, widths: tuple[int, ...] = (16, 32, 96, 256)):
        super().__init__(replace(config, temporal=None, joint_norm=False))
        self.controlnet_cond_embedding = PoseGuider(config.channels[0], widths)
        skips = [config.channels[0]]
        for level, width in enumerate(config.channels):
            skips += [width] * (config.layers + (level < len(config.channels) - 1))
        self.controlnet_down_blocks = nn.ModuleList(nn.Conv2d(width, width, 1) for width in skips)
        self.controlnet_mid_block = nn.Conv2d(config.channels[-1], config.channels[-1], 1)

    def forward(self, latents: Tensor, control: Tensor, time: float, text: list[KeyValue | Tensor]) -> Residuals:
        """Latents [t, 4, h, w] and features [t, c, h, w] of the control pictures, from `controlnet_cond_embedding`."""
        sees = Sees(self.embed(time), 1, text, [None] * self.transformers)
        h, skips = self.descend(self.conv_in(latents) + control, sees)
        down = [layer(skip) for layer, skip in zip(self.controlnet_down_blocks, skips, strict=True)]
        return Residuals(down, self.controlnet_mid_block(self.mid_block(h, sees)))
