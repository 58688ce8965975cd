"""Attention: the one kernel choice, and spatial attention that also reads a reference."""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

KeyValue = tuple[Tensor, Tensor]
Watch = Callable[[Tensor, Tensor], None]

_SMALL = 256  # up to this many queries, two matrix products beat the fused kernel on CPUs (measured)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot-product attention: [B, heads, N, D], [B, heads, M, D] twice, to [B, heads, N, D]."""
    if query.device.type == "cpu" and query.shape[2] <= _SMALL:
        logits = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        return logits.softmax(-1) @ value
    return nn.functional.scaled_dot_product_attention(query, key, value)


def to_heads(tokens: Tensor, heads: int) -> Tensor:
    return rearrange(tokens, "b n (h d) -> b h n d", h=heads)


class ReferenceAttention(nn.Module):
    """A target's pixels attend to themselves and to the reference's tokens (AnimateAnyone's spatial attention, Hu 2023).

    The reference's keys and values depend on nothing that changes during sampling: `project_reference` computes them once
    a job. With `joint=False` only the reference is attended to, and without a reference the layer does nothing.
    """

    def __init__(self, channels: int, reference_channels: int, heads: int, joint: bool = True):
        super().__init__()
        self.heads, self.joint = heads, joint
        self.norm = nn.GroupNorm(16, channels)
        self.to_q = nn.Linear(channels, channels, bias=False)
        if joint:
            self.to_kv = nn.Linear(channels, 2 * channels, bias=False)
        self.reference_norm = nn.LayerNorm(reference_channels)
        self.reference_to_kv = nn.Linear(reference_channels, 2 * channels, bias=False)
        self.to_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def project_reference(self, tokens: Tensor) -> KeyValue:
        """Reference tokens [R, M, C_ref] to keys and values [R, heads, M, D]."""
        key, value = self.reference_to_kv(self.reference_norm(tokens)).chunk(2, -1)
        return to_heads(key, self.heads), to_heads(value, self.heads)

    def forward(self, x: Tensor, reference: KeyValue | None, watch: Watch | None = None) -> Tensor:
        """x [B, C, H, W]; `reference` from `project_reference`, R of them: B / R targets in a row share one.

        `watch` is shown the queries and the reference's keys, both [B, heads, ., D]: training reads them.
        """
        if reference is None and not self.joint:
            return x
        height = x.shape[2]
        tokens = rearrange(self.norm(x), "b c h w -> b (h w) c")
        query = to_heads(self.to_q(tokens), self.heads)
        keys, values = [], []
        if self.joint:
            key, value = self.to_kv(tokens).chunk(2, -1)
            keys.append(to_heads(key, self.heads))
            values.append(to_heads(value, self.heads))
        if reference is not None:
            share = len(x) // len(reference[0])
            for bank, part in zip((keys, values), reference, strict=True):
                bank.append(repeat(part, "r h m d -> (r s) h m d", s=share))
            if watch is not None:
                watch(query, keys[-1])
        out = attend(query, torch.cat(keys, 2), torch.cat(values, 2))
        return x + rearrange(self.to_out(rearrange(out, "b h n d -> b n (h d)")), "b (y x) c -> b c y x", y=height)
