"""`python -m understudy.core.training.evaluate`: the bundled model's figures on held-out characters, as JSON.

For each variant: PSNR and SSIM of whole frames, PSNR inside the figure, `sharpness` (gradient energy inside the figure over the
truth's) and `flicker` (mean frame-to-frame change inside the figure over the truth's).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from ..diffusion.autoencoder import Autoencoder
from ..diffusion.unet import Denoiser
from ..engines.understudy import WEIGHTS, UnderstudyEngine
from .measures import measure
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
