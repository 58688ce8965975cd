"""Contact sheets of what a model makes of characters it never saw: reference | skeleton | result | truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ..control.guide import draw_guide
from ..diffusion.autoencoder import Autoencoder
from ..diffusion.sampler import FlowPath, denoise, initial_noise
from ..diffusion.unet import Denoiser
from .dataset import pictures_to_tensor
from .renderer import CELL
from .shots import HELD_OUT, REFERENCES, Shot, shoot


@dataclass(frozen=True)
class Trial:
    """How a clip is generated in an evaluation; each switch takes one part away."""

    steps: int = 10
    seed: int = 1
    reference: bool = True
    temporal: bool = True
    shared_noise: float = 0.5


@torch.inference_mode()
def generate(model: Denoiser, autoencoder: Autoencoder, shot: Shot, trial: Trial) -> Tensor:
    """The clip of `shot` from its first reference and its skeletons: f32 [T, 3, H, W] in 0..1."""
    height, width = shot.pictures.shape[2:]
    frames = slice(REFERENCES, None)
    skeletons = pictures_to_tensor(
        [draw_guide(p, d, width, height) for p, d in zip(shot.points[frames], shot.drawable[frames], strict=True)]
    )
    count = len(skeletons)
    where = next(model.parameters()).device
    with torch.autocast(where.type, torch.bfloat16):
        pose = model.guider(skeletons.to(where))
        reference = None
        if trial.reference:
            reference, _ = model.encode_reference(autoencoder.encode(shot.pictures[:1].to(where).float() / 127.5 - 1).float())

        def predict(x: Tensor, t: float) -> Tensor:
            return model(x, torch.full((count,), t, device=where), pose, reference, count if trial.temporal else None).float()

        noise = initial_noise(count, (8, height // CELL, width // CELL), trial.seed, trial.shared_noise)
        latents = denoise(predict, noise.to(where), FlowPath(trial.steps))
        return ((autoencoder.decode(latents).float().clamp(-1, 1) + 1) / 2).cpu()


def contact_sheet(model: Denoiser, autoencoder: Autoencoder, characters: int = 6, every: int = 3, **trial) -> np.ndarray:
    """One character a pair of rows: reference, then skeleton | result | truth of every n-th frame; uint8 [H, W, 3]."""
    rows = []
    for seed in range(HELD_OUT, HELD_OUT + characters):
        shot = shoot(seed, 192, 256)
        result = (generate(model, autoencoder, shot, Trial(**trial)) * 255).round().byte()
        truth = shot.pictures[REFERENCES:]
        cells = [shot.pictures[0]]
        for frame in range(0, len(truth), every):
            points, drawable = shot.points[REFERENCES + frame], shot.drawable[REFERENCES + frame]
            skeleton = torch.from_numpy(draw_guide(points, drawable, 192, 256, 1))
            cells += [rearrange(skeleton, "h w c -> c h w"), result[frame], truth[frame]]
        rows.append(rearrange(torch.stack(cells), "n c h w -> h (n w) c"))
    return torch.cat(rows).numpy()
