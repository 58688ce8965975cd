"""`python -m understudy.core.training.evaluate`: the bundled model's figures on held-out characters, as JSON.

For each variant: PSNR and SSIM of whole frames, PSNR inside the figure, `sharpness` (gradient energy inside the figure over the
truth's) and `flicker` (mean frame-to-frame change inside the figure over the truth's).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from ..diffusion.autoencoder import Autoencoder
from ..diffusion.unet import Denoiser
from ..engines.understudy import WEIGHTS, UnderstudyEngine
from .sheets import Trial, generate
from .shots import HELD_OUT, REFERENCES, Shot, shoot
from .stages import HEIGHT, WIDTH

VARIANTS = {
    "model": Trial(),
    "without shared noise": Trial(shared_noise=0.0),
    "without temporal module": Trial(temporal=False),
    "without temporal module and shared noise": Trial(temporal=False, shared_noise=0.0),
    "without reference": Trial(reference=False),
}


def psnr(squared_error: Tensor) -> float:
    return float(-10 * torch.log10(squared_error))


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity of pictures [N, 3, H, W] in 0..1, 11 x 11 Gaussian window of deviation 1.5 (Wang 2004)."""
    x = torch.arange(11) - 5.0
    line = torch.exp(-(x**2) / (2 * 1.5**2))
    kernel = torch.outer(line, line).div(line.sum() ** 2).expand(3, 1, 11, 11)

    def blur(picture: Tensor) -> Tensor:
        return nn.functional.conv2d(picture, kernel, groups=3)

    mean_a, mean_b = blur(a), blur(b)
    variance_a, variance_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((score / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))).mean())


def measure(result: Tensor, truth: Tensor, inside: Tensor) -> dict[str, float]:
    """One clip's figures: pictures f32 [T, 3, H, W] in 0..1, `inside` f32 [T, 1, H, W]."""

    def energy(pictures: Tensor) -> Tensor:
        down, right = pictures.diff(dim=2)[..., :-1], pictures.diff(dim=3)[..., :-1, :]
        return ((down**2 + right**2) * inside[..., :-1, :-1]).sum()

    def change(pictures: Tensor) -> Tensor:
        return (pictures.diff(dim=0).abs() * torch.maximum(inside[1:], inside[:-1])).sum()

    error = (result - truth) ** 2
    return {
        "psnr": psnr(error.mean()),
        "ssim": ssim(result, truth),
        "psnr_inside": psnr((error * inside).sum() / (3 * inside.sum())),
        "sharpness": float(energy(result) / energy(truth)),
        "flicker": float(change(result) / change(truth)),
    }


def evaluate(autoencoder: Autoencoder, denoiser: Denoiser, characters: int) -> dict[str, dict[str, float]]:
    """Means over `characters` held-out characters, for each variant, the autoencoder's ceiling and the copied reference."""
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in range(HELD_OUT, HELD_OUT + characters):
        shot = shoot(seed, WIDTH, HEIGHT)
        truth = shot.pictures[REFERENCES:].float() / 255
        inside = (shot.mattes[REFERENCES:] > 127).float()
        results = {"autoencoder": _round_trip(autoencoder, truth), "copied reference": _copy(shot, len(truth))}
        for name, trial in VARIANTS.items():
            results[name] = generate(denoiser, autoencoder, shot, trial)
        for name, result in results.items():
            rows.setdefault(name, []).append(measure(result, truth, inside))
        print(f"evaluate: {seed - HELD_OUT + 1} of {characters}", flush=True)
    return {
        name: {key: round(sum(row[key] for row in found) / len(found), 3) for key in found[0]} for name, found in rows.items()
    }


@torch.inference_mode()
def _round_trip(autoencoder: Autoencoder, pictures: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        decoded = autoencoder.decode(autoencoder.encode(pictures * 2 - 1))
    return (decoded.float().clamp(-1, 1) + 1) / 2


def _copy(shot: Shot, frames: int) -> Tensor:
    return (shot.pictures[:1].float() / 255).expand(frames, -1, -1, -1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--characters", type=int, default=12)
    options = parser.parse_args()
    engine = UnderstudyEngine(options.weights)
    engine.load("cpu")
    engine.autoencoder.float(), engine.denoiser.float()  # autocast decides, as it did in training
    print(json.dumps(evaluate(engine.autoencoder, engine.denoiser, options.characters), indent=2))


if __name__ == "__main__":
    main()
