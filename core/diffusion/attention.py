"""Attention: the one kernel choice, and attention that reads tokens of its own, of a reference or of a text."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor, nn

from ..errors import InvalidRequest

KeyValue = tuple[Tensor, Tensor]
"""Keys and values, both [B, heads, N, D]."""
Watch = Callable[[Tensor, Tensor], None]

BACKENDS = ("auto", "matmul", "sdpa", "xformers")

_NARROWEST = 16  # channels of a head: CPUs' fused kernel takes half as long again for 8 as for 16 (measured)
_FEWEST = 256  # queries: for fewer, as along a window's frames, widening costs more than it saves
_ROWS = 65_535  # CUDA's fused kernels take no more rows than this in one launch ("invalid configuration argument")
_backend = "auto"


def set_attention_backend(name: str) -> None:
    """Choose the kernel of every attention in this process, one of `BACKENDS`.

    auto: PyTorch's fused kernels (sdpa), which on CPUs too beat two matrix products, two- to fivefold from 64 queries on.
    xformers is never chosen by itself. Raises `InvalidRequest` for a name that is unknown or not installed.
    """
    global _backend
    if name not in BACKENDS:
        raise InvalidRequest(f"There is no attention kernel called {name!r}.", f"Choose one of {', '.join(BACKENDS)}.")
    if name == "xformers" and importlib.util.find_spec("xformers") is None:
        raise InvalidRequest("xformers is not installed.", "Install it in the server's environment, or choose sdpa.")
    _backend = name


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot-product attention: [B, heads, N, D], [B, heads, M, D] twice, to [B, heads, N, D]."""
    if _backend == "matmul":
        logits = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
        return logits.softmax(-1) @ value
    on_cpu = query.device.type == "cpu"
    if on_cpu and _backend != "xformers" and query.shape[-1] < _NARROWEST and query.shape[2] >= _FEWEST:
        return _attend_wider(query, key, value)
    kernel = _xformers if _backend == "xformers" else nn.functional.scaled_dot_product_attention
    if on_cpu or len(query) <= _ROWS:
        return kernel(query, key, value)
    rows = (tensor.split(_ROWS) for tensor in (query, key, value))
    return torch.cat([kernel(*some) for some in zip(*rows, strict=True)])


def _attend_wider(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same with zeros for the channels that a head lacks, which change nothing."""
    channels = query.shape[-1]
    wider = (nn.functional.pad(tensor, (0, _NARROWEST - channels)) for tensor in (query, key, value))
    return nn.functional.scaled_dot_product_attention(*wider, scale=channels**-0.5)[..., :channels]


def _xformers(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    from xformers.ops import memory_efficient_attention

    query, key, value = (rearrange(tensor, "b h n d -> b n h d") for tensor in (query, key, value))
    return rearrange(memory_efficient_attention(query, key, value), "b n h d -> b h n d")


def to_heads(tokens: Tensor, heads: int) -> Tensor:
    return rearrange(tokens, "b n (h d) -> b h n d", h=heads)


def share_rows(source: KeyValue, rows: int) -> KeyValue:
    """Keys and values of R rows for `rows` queries: rows / R in a row share one. A view where R is 1 or `rows`."""
    key, value = source
    if len(key) == rows:
        return source
    if len(key) == 1:
        return key.expand(rows, -1, -1, -1), value.expand(rows, -1, -1, -1)
    share = rows // len(key)
    return key.repeat_interleave(share, 0), value.repeat_interleave(share, 0)


class Attention(nn.Module):
    """Multi-head attention of tokens [B, N, C] to one or several sources of keys and values.

    A source is what `project` makes of tokens [R, M, C_context]; what does not change while sampling (a reference, a text)
    is projected once a job. The parameters are named as in Stable Diffusion's checkpoints.
    """

    def __init__(self, channels: int, heads: int, context_channels: int | None = None):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context_channels or channels, channels, bias=False)
        self.to_v = nn.Linear(context_channels or channels, channels, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def query(self, tokens: Tensor) -> Tensor:
        """Tokens [B, N, C] to queries [B, heads, N, D]."""
        return to_heads(self.to_q(tokens), self.heads)

    def project(self, tokens: Tensor) -> KeyValue:
        """Tokens [R, M, C_context] to keys and values [R, heads, M, D]."""
        return to_heads(self.to_k(tokens), self.heads), to_heads(self.to_v(tokens), self.heads)

    def forward(self, tokens: Tensor, *sources: KeyValue, watch: Watch | None = None) -> Tensor:
        """Tokens [B, N, C] to [B, N, C]. A source of R rows serves B / R rows of tokens in a row each.

        `watch` is shown the queries and the last source's keys, both [B, heads, ., D]: training reads them.
        """
        query = self.query(tokens)
        shared = [share_rows(source, len(tokens)) for source in sources]
        if watch is not None:
            watch(query, shared[-1][0])
        key, value = shared[0] if len(shared) == 1 else (torch.cat(parts, 2) for parts in zip(*shared, strict=True))
        return self.to_out[0](rearrange(attend(query, key, value), "b h n d -> b n (h d)"))


class ReferenceAttention(Attention):
    """Tokens of a target attend to themselves and to a reference's tokens at once (AnimateAnyone's spatial attention, Hu 2023).

    `reference_channels` None: the reference's tokens, already normed and of the same width, go through the same projections
    as the target's, as in the public checkpoints. Otherwise they have a norm and projections of their own.
    """

    def __init__(self, channels: int, heads: int, reference_channels: int | None = None):
        super().__init__(channels, heads)
        self.reference = ReferenceProjection(reference_channels, channels) if reference_channels else None

    def project_reference(self, tokens: Tensor) -> KeyValue:
        """Reference tokens [R, M, C_ref] to keys and values [R, heads, M, D]: once a job, whatever the steps and windows."""
        if self.reference is None:
            return self.project(tokens)
        key, value = self.reference(tokens)
        return to_heads(key, self.heads), to_heads(value, self.heads)

    def forward(self, tokens: Tensor, reference: KeyValue | None = None, watch: Watch | None = None) -> Tensor:
        """Tokens [B, N, C] to [B, N, C]; `reference` from `project_reference`, R rows: B / R targets in a row share one.

        None: the target reads itself alone, as under guidance the half without a reference does. `watch` as in `Attention`.
        """
        own = self.project(tokens)
        return super().forward(tokens, own, *([reference] if reference is not None else []), watch=watch)


class ReferenceProjection(nn.Module):
    """A reference's tokens [R, M, C_ref], normed, to keys and values [R, M, C]."""

    def __init__(self, channels_in: int, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels_in)
        self.to_k = nn.Linear(channels_in, channels, bias=False)
        self.to_v = nn.Linear(channels_in, channels, bias=False)

    def forward(self, tokens: Tensor) -> KeyValue:
        tokens = self.norm(tokens)
        return self.to_k(tokens), self.to_v(tokens)


class PictureAttention(nn.Module):
    """Reference attention over the pixels of a picture, with its norm and residual. Zero at initialisation.

    With `joint=False` only the reference is attended to, and without a reference the picture passes unchanged.
    """

    def __init__(self, channels: int, reference_channels: int, heads: int, joint: bool = True):
        super().__init__()
        self.norm = nn.GroupNorm(16, channels)
        self.joint = joint
        self.attention: Attention
        if joint:
            self.attention = ReferenceAttention(channels, heads, reference_channels)
        else:
            self.reference_norm = nn.LayerNorm(reference_channels)
            self.attention = Attention(channels, heads, reference_channels)
        nn.init.zeros_(self.attention.to_out[0].weight)
        nn.init.zeros_(self.attention.to_out[0].bias)

    def project_reference(self, tokens: Tensor) -> KeyValue:
        """Reference tokens [R, M, C_ref] to keys and values [R, heads, M, D]."""
        if isinstance(self.attention, ReferenceAttention):
            return self.attention.project_reference(tokens)
        return self.attention.project(self.reference_norm(tokens))

    def forward(self, x: Tensor, reference: KeyValue | None, watch: Watch | None = None) -> Tensor:
        """x [B, C, H, W]; `reference` and `watch` as in `ReferenceAttention`."""
        if reference is None and not self.joint:
            return x
        tokens = rearrange(self.norm(x), "b c h w -> b (h w) c")
        out = self.attention(tokens, reference, watch=watch)
        return x + rearrange(out, "b (y x) c -> b c y x", y=x.shape[2])
