"""`python -m understudy.core.training`: train the bundled model from nothing, or go on where it stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from ..diffusion.bundled import Understudy
from .curves import draw_curves
from .dataset import Dataset
from .export import export
from .human import Human
from .loop import Budget, forget_outdated
from .losses import Weights
from .parallel import device
from .sheets import contact_sheet
from .stages import HEIGHT, WIDTH, train_autoencoder, train_clips, train_details, train_frames, train_matting

SHARES = {"matting": 0.07, "autoencoder": 0.1, "frames": 0.36, "clips": 0.07, "details": 0.4}  # of --minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=75, help="training time in all, over as many sittings as it takes")
    parser.add_argument("--characters", type=int, default=1000, help="people to render")
    parser.add_argument("--rendering", type=float, default=30, help="minutes of rendering at most, on top of --minutes")
    parser.add_argument("--human", type=Path, help="folder of MakeHuman's base mesh and rigs: see `human`")
    parser.add_argument("--identity", type=float, default=1.0, help="weight of the identity losses; 0 trains without them")
    parser.add_argument("--motion", type=float, default=1.0, help="weight of the motion prior; 0 trains without it")
    parser.add_argument("--out", type=Path, default=Path("out/train"), help="checkpoints, curves, sheets and weights")
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    budgets = {stage: Budget(options.minutes * share, save_every=480) for stage, share in SHARES.items()}
    weights = Weights(options.identity, options.motion)
    data = Dataset(out / "dataset", options.characters, WIDTH, HEIGHT)
    data.build(options.rendering, Human.all(options.human) if options.human else ())

    torch.manual_seed(0)
    model = Understudy()

    def sheets(stage: str):
        def draw(ema: nn.Module, minutes: float) -> None:
            model.denoiser.load_state_dict(ema.state_dict())
            sheet = contact_sheet(model, characters=3, steps=2, temporal=stage != "frames")
            Image.fromarray(sheet).save(out / f"{stage}-{minutes:05.1f}.png")
            draw_curves(out)
            export(out, model)

        return draw

    forget_outdated(out, "autoencoder", budgets["autoencoder"], "details")
    forget_outdated(out, "frames", budgets["frames"], "clips", "details")
    forget_outdated(out, "clips", budgets["clips"], "details")
    model.matting = train_matting(out, data, budgets["matting"]).cpu()
    model.autoencoder = train_autoencoder(out, data, budgets["autoencoder"]).cpu()
    data.encode(model.autoencoder)
    learner = Understudy().denoiser.to(device(), memory_format=torch.channels_last)
    learner.load_state_dict(train_frames(out, learner, data, budgets["frames"], weights, sheets("frames")).state_dict())
    denoiser = train_clips(out, learner, data, budgets["clips"], weights)
    both = train_details(out, model.autoencoder.to(device()), denoiser, data, budgets["details"]).cpu()
    model.autoencoder.load_state_dict(both["autoencoder"].state_dict())
    sheets("details")(both["denoiser"], options.minutes)
    print(f"weights: {export(out, model)}")


if __name__ == "__main__":
    main()
