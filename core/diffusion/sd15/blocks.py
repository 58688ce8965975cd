"""What the UNet is made of: residual blocks, spatial transformers that read text and a reference, temporal transformers.

Pictures are [(b t), c, h, w]: b windows of t frames, each window's frames in a row. Parameters are named as published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from einops import rearrange, reduce
from torch import Tensor, cat, nn

from ..attention import Attention, KeyValue, ReferenceAttention
from ..feed_forward import GatedFeedForward
from ..temporal import TemporalBlock
from .config import TemporalConfig, UNetConfig


@dataclass(frozen=True)
class Sees:
    """What a pass of the UNet sees beside its input.

    embedding [1, E] of the time; frames t of a window; for each spatial transformer, in the order they run: text, from
    `SpatialTransformer.read_text`, and bank, the reference's keys and values or None; written, where the normed tokens
    [b, n, c] of each are collected, or None.
    """

    embedding: Tensor
    frames: int
    text: Sequence[KeyValue | Tensor]
    bank: Sequence[KeyValue | None]
    written: list[Tensor] | None = field(default=None)


class GroupNorm(nn.GroupNorm):
    """Group norm of x [(b t), c, h, w] with statistics over each picture (t = `frames` = 1) or over t of them together."""

    def forward(self, x: Tensor, frames: int = 1) -> Tensor:
        # Not `super().forward`: it refuses groups of one value, which the coarsest level of a small picture has.
        if frames == 1 and _is_scattered(x, self.num_groups):
            return _norm_tokens(x, self.num_groups, self.weight, self.bias, self.eps)
        if frames == 1:
            return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        together = rearrange(x, "(b t) c h w -> b c (t h) w", t=frames)  # a view, where channels come last
        normed = torch.group_norm(together, self.num_groups, self.weight, self.bias, self.eps)
        return rearrange(normed, "b c (t h) w -> (b t) c h w", t=frames)


def _is_scattered(x: Tensor, groups: int) -> bool:
    """Whether PyTorch's group norm reads x [b, c, h, w] a few values at a time: on the CPU, with channels last, small maps of
    narrow networks. In sixteen bits it is left to PyTorch all the same, which sums in more of them."""
    last = x.device.type == "cpu" and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
    return last and x.dtype.itemsize > 2 and x[0, 0].numel() < 1024 and x.shape[1] < 8 * groups


def _norm_tokens(x: Tensor, groups: int, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Group norm of x [b, c, h, w] with channels last, whose sums over pixels are products with a row of ones."""
    tokens = rearrange(x, "b c h w -> b (h w) c")
    ones = tokens.new_full((len(x), 1, tokens.shape[1]), 1 / tokens.shape[1])

    def mean(values: Tensor) -> Tensor:
        return reduce(ones @ values, "b 1 (g c) -> b 1 g 1", "mean", g=groups)

    def spread(values: Tensor) -> Tensor:
        return values.expand(-1, -1, -1, x.shape[1] // groups).flatten(2)  # [b, 1, c]

    centred = tokens - spread(mean(tokens))
    scale = spread((mean(centred * centred) + epsilon).rsqrt()) * weight
    return rearrange(torch.addcmul(bias, centred, scale), "b (h w) c -> b c h w", h=x.shape[2])


class Resnet(ResnetBlock2D):
    """Stable Diffusion's residual block, whose norms take a window's frames together where `joint`."""

    def __init__(self, channels_in: int, channels: int, config: UNetConfig):
        super().__init__(
            in_channels=channels_in, out_channels=channels, temb_channels=config.embedding,
            eps=config.epsilon, groups=config.groups,
        )  # fmt: skip
        self.norm1 = GroupNorm(config.groups, channels_in, config.epsilon)
        self.norm2 = GroupNorm(config.groups, channels, config.epsilon)
        self.joint = config.joint_norm

    def forward(self, x: Tensor, sees: Sees) -> Tensor:
        frames = sees.frames if self.joint else 1
        h = self.conv1(nn.functional.silu(self.norm1(x, frames), inplace=True))
        h += self.time_emb_proj(nn.functional.silu(sees.embedding))[:, :, None, None]
        h = self.conv2(nn.functional.silu(self.norm2(h, frames), inplace=True))
        h += x if self.conv_shortcut is None else self.conv_shortcut(x)
        return h


class SpatialBlock(nn.Module):
    """Attention to itself and the reference, to a text, where it reads one, and a gated feed-forward: tokens [(b t), n, c]."""

    def __init__(self, channels: int, heads: int, text_channels: int | None = None):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = ReferenceAttention(channels, heads)
        if text_channels is not None:
            self.norm2 = nn.LayerNorm(channels)
            self.attn2 = Attention(channels, heads, text_channels)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = GatedFeedForward(channels)

    def forward(
        self,
        tokens: Tensor,
        text: KeyValue | Tensor | None = None,
        bank: KeyValue | None = None,
        written: list[Tensor] | None = None,
    ) -> Tensor:
        normed = self.norm1(tokens)
        if written is not None:
            written.append(normed)
        tokens = tokens + self.attn1(normed, bank)
        if text is not None:
            tokens = tokens + (text if isinstance(text, Tensor) else self.attn2(self.norm2(tokens), text))
        return tokens + self.ff(self.norm3(tokens))


class SpatialTransformer(nn.Module):
    """A spatial block over the pixels of pictures. `index`: its place among those of the network, in the order they run."""

    def __init__(self, channels: int, heads: int, config: UNetConfig, index: int):
        super().__init__()
        self.index = index
        self.norm = GroupNorm(config.groups, channels, 1e-6)
        self.proj_in = projection(channels, config.linear_projection)
        self.transformer_blocks = nn.ModuleList([SpatialBlock(channels, heads, config.text_channels)])
        self.proj_out = projection(channels, config.linear_projection)

    @property
    def attention(self) -> ReferenceAttention:
        return self.transformer_blocks[0].attn1

    def read_text(self, text: Tensor) -> KeyValue | Tensor:
        """Text tokens [1, l, c_text] as `forward` wants them: keys and values; of a single token what attending to it gives,
        [1, 1, c], which no query can change."""
        attention = self.transformer_blocks[0].attn2
        key, value = attention.project(text)
        return (key, value) if text.shape[1] > 1 else attention.to_out[0](rearrange(value, "b h l d -> b l (h d)"))

    def forward(self, x: Tensor, sees: Sees) -> Tensor:
        tokens = project(self.proj_in, self.norm(x))  # [(b t), n, c]
        tokens = self.transformer_blocks[0](tokens, sees.text[self.index], sees.bank[self.index], sees.written)
        return x + unproject(self.proj_out, tokens, x.shape[2])


class SelfTransformer(nn.Module):
    """A spatial block, `width` wide, over the pixels of pictures [b, c, h, w], which sees nothing else."""

    def __init__(self, channels: int, width: int, heads: int):
        super().__init__()
        self.norm = GroupNorm(32, channels, 1e-6)
        self.proj_in = nn.Conv2d(channels, width, 1)
        self.transformer_blocks = nn.ModuleList([SpatialBlock(width, heads)])
        self.proj_out = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.transformer_blocks[0](project(self.proj_in, self.norm(x)))
        return x + unproject(self.proj_out, tokens, x.shape[2])


class LastWriter(nn.Module):
    """The last spatial transformer of a network that is run for what its transformers write: only what comes before it does."""

    def __init__(self, channels: int, config: UNetConfig):
        super().__init__()
        self.norm = GroupNorm(config.groups, channels, 1e-6)
        self.proj_in = projection(channels, config.linear_projection)
        self.transformer_blocks = nn.ModuleList([nn.ModuleDict({"norm1": nn.LayerNorm(channels)})])

    def forward(self, x: Tensor, sees: Sees) -> Tensor:
        sees.written.append(self.transformer_blocks[0]["norm1"](project(self.proj_in, self.norm(x))))
        return x


def projection(channels: int, linear: bool) -> nn.Module:
    return nn.Linear(channels, channels) if linear else nn.Conv2d(channels, channels, 1)


def project(layer: nn.Module, x: Tensor) -> Tensor:
    """Pictures [b, c, h, w] to projected tokens [b, (h w), c]."""
    if isinstance(layer, nn.Conv2d):
        return rearrange(layer(x), "b c h w -> b (h w) c")
    return layer(rearrange(x, "b c h w -> b (h w) c"))


def unproject(layer: nn.Module, tokens: Tensor, height: int) -> Tensor:
    """Tokens [b, (h w), c] to projected pictures [b, c, h, w]."""
    if isinstance(layer, nn.Conv2d):
        return layer(rearrange(tokens, "b (h w) c -> b c h w", h=height))
    return rearrange(layer(tokens), "b (h w) c -> b c h w", h=height)


class TemporalTransformer(nn.Module):
    """Temporal blocks over the pixels of a window (AnimateDiff's motion module), with a norm of each frame by itself."""

    def __init__(self, channels: int, config: TemporalConfig):
        super().__init__()
        width = channels // config.division
        self.norm = GroupNorm(32, channels, 1e-6)
        self.proj_in = nn.Linear(channels, width)
        self.transformer_blocks = nn.ModuleList(
            TemporalBlock(width, config.heads, config.attentions, widening=4, positions=config.positions)
            for _ in range(config.blocks)
        )
        self.proj_out = nn.Linear(width, channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        tokens = project(self.proj_in, self.norm(x))  # where channels come last, faster than after the turn to pixels
        tokens = rearrange(tokens, "(b t) n c -> (b n) t c", t=frames).contiguous()
        for block in self.transformer_blocks:
            tokens = block(tokens)
        return x + rearrange(self.proj_out(tokens), "(b h w) t c -> (b t) c h w", h=x.shape[2], w=x.shape[3])


class Block(nn.Module):
    """Layers of [residual block, spatial transformer, temporal transformer] at one size; the last two where there are any."""

    def __init__(self, channels: list[tuple[int, int]], config: UNetConfig, attentions: list[nn.Module], temporal: bool):
        """`channels` that go into and come out of each residual block; `temporal`: whether there are such transformers."""
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(before, after, config) for before, after in channels)
        self.attentions = nn.ModuleList(attentions) if attentions else None
        self.motion_modules = None
        if temporal:
            count = len(attentions) or len(channels)
            self.motion_modules = nn.ModuleList(TemporalTransformer(after, config.temporal) for _, after in channels[:count])

    def attend(self, layer: int, x: Tensor, sees: Sees) -> Tensor:
        if self.attentions is not None:
            x = self.attentions[layer](x, sees)
        if self.motion_modules is not None:
            x = self.motion_modules[layer](x, sees.frames)
        return x


class DownBlock(Block):
    def __init__(self, channels, config, attentions, temporal, halve: bool):
        super().__init__(channels, config, attentions, temporal)
        width = channels[-1][1]
        self.downsamplers = None
        if halve:
            layer = Downsample2D(width, use_conv=True, out_channels=width, padding=config.downsample_padding, name="op")
            self.downsamplers = nn.ModuleList([layer])

    def forward(self, x: Tensor, sees: Sees, skips: list[Tensor]) -> Tensor:
        """Each layer's output is added to `skips`, and the halved one."""
        for layer, resnet in enumerate(self.resnets):
            x = self.attend(layer, resnet(x, sees), sees)
            skips.append(x)
        if self.downsamplers is not None:
            x = self.downsamplers[0](x)
            skips.append(x)
        return x


class MidBlock(Block):
    def forward(self, x: Tensor, sees: Sees) -> Tensor:
        x = self.resnets[0](x, sees)
        return self.resnets[1](self.attend(0, x, sees), sees)


class UpBlock(Block):
    def __init__(self, channels, config, attentions, temporal, double: bool):
        super().__init__(channels, config, attentions, temporal)
        width = channels[-1][1]
        self.upsamplers = None
        if double:
            self.upsamplers = nn.ModuleList([Upsample2D(width, use_conv=True, out_channels=width)])

    def forward(self, x: Tensor, sees: Sees, skips: list[Tensor]) -> Tensor:
        """Each layer takes the last of `skips`; doubling gives the size of the next, so odd sizes come back whole."""
        for layer, resnet in enumerate(self.resnets):
            x = self.attend(layer, resnet(cat((x, skips.pop()), 1), sees), sees)
        return x if self.upsamplers is None else self.upsamplers[0](x, output_size=skips[-1].shape[2:])
