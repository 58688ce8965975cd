"""`python -m understudy.core.training`: train the bundled model from nothing, or go on where it stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image

from ..diffusion.unet import Denoiser, DenoiserConfig
from .dataset import Dataset
from .export import export
from .loop import Budget
from .parallel import device
from .sheets import contact_sheet
from .stages import HEIGHT, WIDTH, train_autoencoder, train_clips, train_frames

SHARES = {"autoencoder": 0.12, "frames": 0.68, "clips": 0.2}  # of --minutes; rendering comes on top


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=88, help="training time in all, over as many sittings as it takes")
    parser.add_argument("--characters", type=int, default=1500, help="procedural people to render")
    parser.add_argument("--out", type=Path, default=Path("out/train"), help="checkpoints, curves, sheets and weights")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    budgets = {stage: Budget(options.minutes * share, save_every=300) for stage, share in SHARES.items()}

    autoencoder = train_autoencoder(options.out, budgets["autoencoder"]).eval()
    data = Dataset(options.out / "dataset", options.characters, WIDTH, HEIGHT, autoencoder.mean.shape[1])
    data.build(autoencoder)

    def sheet(stage: str):
        def draw(ema: Denoiser, minutes: float) -> None:
            temporal = stage == "clips"
            picture = contact_sheet(ema, autoencoder, characters=4, steps=6, temporal=temporal)
            Image.fromarray(picture).save(options.out / f"{stage}-{minutes:05.1f}.png")
            export(options.out, autoencoder, ema)

        return draw

    torch.manual_seed(0)
    model = Denoiser(DenoiserConfig()).to(device(), memory_format=torch.channels_last)
    frames = train_frames(options.out, model, data, budgets["frames"], on_save=sheet("frames"))
    model.load_state_dict(frames.state_dict())
    clips = train_clips(options.out, model, data, budgets["clips"], on_save=sheet("clips"))
    print(f"weights: {export(options.out, autoencoder, clips)}")


if __name__ == "__main__":
    main()
