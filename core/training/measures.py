"""Figures that say how well generated frames show the person they should: against ground truth, frame by frame and over time.

Pictures are sRGB f32 [T, 3, H, W] in 0..1, weights (`inside`) and mattes f32 [T, 1, H, W], regions uint8 [T, H, W] (`Region`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .painting import Region

GARMENTS = (Region.HAIR, Region.TOP, Region.BOTTOM, Region.SHOES)
_FEWEST = 30  # pixels of a region, below which its colour says little


def psnr(result: Tensor, truth: Tensor, inside: Tensor | None = None) -> float:
    """dB, over all pixels or those inside."""
    error = (result - truth) ** 2
    mean = error.mean() if inside is None else (error * inside).sum() / (3 * inside.sum().clamp(min=1))
    return float(-10 * torch.log10(mean.clamp(min=1e-10)))


def ssim(result: Tensor, truth: Tensor) -> float:
    """Structural similarity, 11 x 11 Gaussian window of deviation 1.5 (Wang et al. 2004)."""
    x = torch.arange(11) - 5.0
    line = torch.exp(-(x**2) / (2 * 1.5**2))
    kernel = torch.outer(line, line).div(line.sum() ** 2).expand(3, 1, 11, 11)

    def blur(picture: Tensor) -> Tensor:
        return nn.functional.conv2d(picture, kernel, groups=3)

    mean_a, mean_b = blur(result), blur(truth)
    variance_a, variance_b = blur(result * result) - mean_a**2, blur(truth * truth) - mean_b**2
    covariance = blur(result * truth) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((score / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))).mean())


def sharpness(result: Tensor, truth: Tensor, inside: Tensor) -> float:
    """Gradient energy inside, relative to the truth's: blur is below 1, noise above."""

    def energy(pictures: Tensor) -> Tensor:
        down, right = pictures.diff(dim=2)[..., :-1], pictures.diff(dim=3)[..., :-1, :]
        return ((down**2 + right**2) * inside[..., :-1, :-1]).sum()

    return float(energy(result) / energy(truth).clamp(min=1e-8))


def flicker(result: Tensor, truth: Tensor, inside: Tensor) -> tuple[float, float]:
    """(change from frame to frame inside over the truth's, mean error of that change in 0..1)."""
    where = torch.maximum(inside[1:], inside[:-1])
    generated, true = result.diff(dim=0), truth.diff(dim=0)
    ratio = (generated.abs() * where).sum() / (true.abs() * where).sum().clamp(min=1e-8)
    return float(ratio), float(((generated - true).abs() * where).sum() / (3 * where.sum().clamp(min=1)))


def silhouette_iou(matte: Tensor, truth: Tensor) -> float:
    """Intersection over union of what is covered by more than half; 1 where both are empty."""
    a, b = matte > 0.5, truth > 0.5
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def lab(pictures: Tensor) -> Tensor:
    """sRGB [..., 3, H, W] to CIE L*a*b* (D65)."""
    linear = torch.where(pictures <= 0.04045, pictures / 12.92, ((pictures + 0.055) / 1.055) ** 2.4)
    to_xyz = torch.tensor(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    white = to_xyz.sum(1)
    xyz = torch.einsum("ij,...jhw->...ihw", to_xyz / white[:, None], linear)
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -3)


def region_colours(pictures: Tensor, regions: Tensor) -> Tensor:
    """The mean L*a*b* of each of `GARMENTS` in each frame, [T, 4, 3]; NaN where it is hardly seen."""
    colours = lab(pictures)
    masks = torch.stack([regions == int(garment) for garment in GARMENTS], 1).float()  # [T, G, H, W]
    sums = torch.einsum("tghw,tchw->tgc", masks, colours)
    counts = masks.sum((2, 3))[..., None]
    return torch.where(counts >= _FEWEST, sums / counts.clamp(min=1), torch.nan)


def delta_e(colours: Tensor, others: Tensor) -> Tensor:
    """CIE 1976 colour difference of L*a*b* [..., 3]: [...]."""
    return (colours - others).norm(dim=-1)


def garments(result: Tensor, regions: Tensor, reference: Tensor, reference_regions: Tensor) -> dict[str, float]:
    """How the garments' and the hair's mean colours differ from the reference's, [3, H, W] and [H, W]: mean CIE deltaE.

    `delta_e` over all frames, `drift` of the last eighth of the frames less that of the first. NaN where nothing is comparable.
    """
    wanted = region_colours(reference[None], reference_regions[None])
    by_frame = delta_e(region_colours(result, regions), wanted)  # [T, G]
    eighth = max(1, len(result) // 8)
    both = ~(by_frame[:eighth].nanmean(0) + by_frame[-eighth:].nanmean(0)).isnan()  # seen at both ends
    drift = by_frame[-eighth:].nanmean(0) - by_frame[:eighth].nanmean(0)
    return {"delta_e": float(by_frame.nanmean()), "drift": float(drift[both].mean())}


def measure(result: Tensor, truth: Tensor, inside: Tensor, matte: Tensor | None = None) -> dict[str, float]:
    """One clip's figures. `inside` f32 [T, 1, H, W] is the true silhouette; `matte` the generated one."""
    ratio, error = flicker(result, truth, inside)
    row = {
        "psnr": psnr(result, truth), "ssim": ssim(result, truth), "psnr_inside": psnr(result, truth, inside),
        "sharpness": sharpness(result, truth, inside), "flicker": ratio, "flicker_error": error,
    }  # fmt: skip
    return row if matte is None else {**row, "iou": silhouette_iou(matte, inside)}
