"""What the decoder draws, made definite: a clean outline where it was unsure of one, and the reference's own detail."""

from __future__ import annotations

import torch
from torch import Tensor

from .fill import fill

_LEVEL = 0.46  # of a matte: where its outline is
_GENTLEST = 0.1  # the least change from pixel to pixel that is still an outline's
_UNSURE, _SURE = 0.3, 0.7  # mattes between which a drawn colour begins to be believed
_COARSE = 16  # pixels: how light spots so large are is the networks', their hue and all that is finer the reference's
_SHOWN = 0.2  # from here on a spot's detail is the reference's; that of a mirror image counts


def finish(colours: Tensor, matte: Tensor, detail: Tensor) -> tuple[Tensor, Tensor]:
    """Drawn colours f32 [N, 3, H, W] and mattes [N, 1, H, W] to figures multiplied by their mattes, and those; all in 0..1.

    `detail` [N, 13, H, W]: see `puppet`.
    """
    sure = ((matte - _UNSURE) / (_SURE - _UNSURE)).clamp(0, 1)
    outline = _outline(matte)
    colours = _with_detail(fill(colours, sure), outline, detail)
    return colours * outline, outline


def _outline(matte: Tensor) -> Tensor:
    """A smooth one, as wide as a pixel's antialiasing: unsure ones are drawn as haze and, sharpened pixel by pixel, as fur.

    What is but one pixel wide is lost by it.
    """
    for axis in (2, 3, 2, 3):
        rim = (1, 1, 0, 0) if axis == 3 else (0, 0, 1, 1)
        around = torch.nn.functional.pad(matte, rim, mode="replicate")
        before, after = (around.narrow(axis, start, matte.shape[axis]) for start in (0, 2))
        matte = (before + 2 * matte + after) / 4
    down, right = torch.gradient(matte, dim=(2, 3))
    distance = (matte - _LEVEL) / torch.hypot(down, right).clamp(min=_GENTLEST)  # pixels
    return (distance + 0.5).clamp(0, 1)


def _with_detail(colours: Tensor, outline: Tensor, detail: Tensor) -> Tensor:
    """Hues, patterns and edges as the reference has them: an average over what could be there is duller, and blurred."""
    laid, cover, shown = detail[:, :3], detail[:, 3:4], detail[:, 4:5]
    copied = ((shown > _SHOWN) & (cover > 0.9) & (outline > 0.9)).float()
    difference = laid - colours
    coarse = torch.nn.functional.avg_pool2d(torch.cat((difference * copied, copied), 1), _COARSE, ceil_mode=True)
    coarse = torch.nn.functional.interpolate(coarse, size=difference.shape[2:], mode="bilinear")
    mean, weight = coarse.split((3, 1), 1)
    lighter = mean.mean(1, keepdim=True) / weight.clamp(min=1e-3)
    return (colours + copied * (difference - lighter)).clamp(0, 1)
