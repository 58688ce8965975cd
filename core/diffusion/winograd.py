"""3 x 3 convolutions by Winograd's minimal filtering, F(4 x 4, 3 x 3) (Lavin & Gray 2016): on CPUs a quarter of the products.

Of each tile of 6 x 6 pixels come 4 x 4 results: both tile and filter are evaluated at 36 points of two variables, multiplied
there, and the products interpolated. At the points 0, +-1/sqrt 2, +-sqrt 2 and infinity the error of float32 is 1.4 times the
plain sum's; at the usual ones, 0, +-1, +-2 and infinity, three times (measured; Barabasz 2020 tells why points matter).
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

_OUT, _FILTER = 4, 3  # pixels a side
_TILE = _OUT + _FILTER - 1
_POINTS = (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2), -math.sqrt(2))  # and infinity
_NARROWEST = 128  # channels: in fewer the transforms cost more than they save
_FEWEST, _LEAST = 12, 10_240  # tiles, and tiles times channels: for fewer the transform of the filters does
_TILES, _CACHED = 128, 1 << 20  # so many tiles (and filters) at a time, or more while there are no more values than that
_KEPT = 1 << 22  # values of transformed filters that are kept for the next tiles; of more each group of tiles makes its own


def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """From filters [9] and tiles [36] to values at the points [36], and from those' products to results [16]: f32 matrices.

    Those of one variable are Toom's and Cook's: powers of the points for filter and result, and for the tile the inverse of
    interpolation, its rows scaled against the filter's so that the values of both are of like size.
    """

    def powers(count: int) -> Tensor:
        finite = torch.tensor(_POINTS, dtype=torch.float64)[:, None] ** torch.arange(count)
        return torch.cat((finite, torch.eye(count, dtype=torch.float64)[-1:]))

    of_filter, of_tile = powers(_FILTER), torch.linalg.inv(powers(_TILE)).T
    scale = (of_tile.abs().sum(1) / of_filter.abs().sum(1)).sqrt()[:, None]
    lines = (of_filter * scale, of_tile / scale, powers(_OUT).T)
    by_filter, by_tile, by_result = (torch.kron(matrix, matrix).float().contiguous() for matrix in lines)
    return by_filter, by_tile, by_result


_BY_FILTER, _BY_TILE, _BY_RESULT = _transforms()


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x f32 [B, C, H, W] and filters f32 [O, C, 3, 3] on the CPU to [B, O, H, W], as
    `torch.nn.functional.conv2d` with a padding of 1, but without gradients. In memory channels come last, and sides are
    multiples of 4."""
    count, channels, height, width = x.shape
    lines, columns = -(-height // _OUT), -(-width // _OUT)  # of tiles
    out = x.new_empty(count, lines * _OUT, columns * _OUT, len(weight))
    spare = (0, 0, 1, columns * _OUT - width + 1, 1, lines * _OUT - height + 1)
    at_once = max(_TILES, _CACHED // (_TILE**2 * channels))
    band = min(lines, max(1, at_once // columns))
    pictures = max(1, at_once // (band * columns))
    parts = weight.split(at_once)
    kept = [_of_filters(part) for part in parts] if _TILE**2 * channels * len(weight) <= _KEPT else None
    for some, drawn in zip(rearrange(x, "b c h w -> b h w c").split(pictures), out.split(pictures), strict=True):
        tiles = nn.functional.pad(some, spare).unfold(1, _TILE, _OUT).unfold(2, _TILE, _OUT)
        for within, goal in zip(tiles.split(band, 1), drawn.split(band * _OUT, 1), strict=True):
            values = _BY_TILE @ rearrange(within, "b l k c y x -> (b l k) (y x) c")
            for filters, part in zip(kept or map(_of_filters, parts), goal.split(at_once, -1), strict=True):
                products = rearrange(values, "n p c -> p n c") @ rearrange(filters, "o p c -> p c o")
                results = _BY_RESULT @ rearrange(products, "p n o -> n p o")
                part.copy_(rearrange(results, "(b l k) (y x) o -> b (l y) (k x) o", b=len(some), k=columns, y=_OUT))
    if bias is not None:
        out += bias
    return rearrange(out[:, :height, :width], "b h w c -> b c h w")


def _of_filters(weight: Tensor) -> Tensor:
    """Filters [o, c, 3, 3] at the points, [o, 36, c]."""
    return _BY_FILTER @ rearrange(weight, "o c y x -> o (y x) c")


class Convolution(nn.Conv2d):
    """A convolution with the parameters of another, done so where it is faster: on large maps [B, C, H, W] of many channels."""

    def forward(self, x: Tensor) -> Tensor:
        tiles = len(x) * math.ceil(x.shape[2] / _OUT) * math.ceil(x.shape[3] / _OUT)
        if tiles < _FEWEST or tiles * min(self.weight.shape[:2]) < _LEAST or torch.is_grad_enabled():
            return super().forward(x)
        return convolve(x, self.weight, self.bias)


def adopt(module: nn.Module) -> None:
    """Make every convolution in `module` that can gain from it a `Convolution`."""
    for part in list(module.modules()):
        for name, layer in part.named_children():
            if type(layer) is nn.Conv2d and _gains(layer):
                setattr(part, name, _made_of(layer))


def _gains(layer: nn.Conv2d) -> bool:
    plain = layer.stride == layer.dilation == (1, 1) and layer.padding == (1, 1) and layer.groups == 1
    square = layer.kernel_size == (_FILTER, _FILTER) and layer.padding_mode == "zeros"
    return plain and square and min(layer.in_channels, layer.out_channels) >= _NARROWEST


def _made_of(layer: nn.Conv2d) -> Convolution:
    with torch.device("meta"):
        made = Convolution(layer.in_channels, layer.out_channels, _FILTER, padding=1, bias=layer.bias is not None)
    made.weight, made.bias = layer.weight, layer.bias
    return made.train(layer.training)
