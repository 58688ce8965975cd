"""The stages of the bundled model's training: the autoencoder, then single frames, then clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion.autoencoder import Autoencoder, AutoencoderConfig
from ..diffusion.unet import Denoiser
from .dataset import Batch, Dataset
from .loop import Budget, train
from .parallel import autocast, device, each, workers
from .shots import shoot

WIDTH, HEIGHT = 192, 256


def to_unit(pictures: Tensor) -> Tensor:
    """uint8 pictures to f32 in -1..1."""
    return pictures.float() / 127.5 - 1


def train_autoencoder(folder: Path, budget: Budget, characters: int = 150) -> Autoencoder:
    """Stage 0. Pictures of the first `characters` seeds, in 128 x 128 crops."""
    pictures = _pictures(folder / "pictures.npy", characters)
    model = Autoencoder(AutoencoderConfig()).to(device(), memory_format=torch.channels_last)
    rngs = generators()

    def loss_of(part: int) -> Tensor:
        rng, batch = rngs[part], []
        for index in rng.integers(len(pictures), size=16 // len(rngs)):
            top, left = rng.integers(HEIGHT - 127), rng.integers(WIDTH - 127)
            crop = torch.from_numpy(pictures[index, :, top : top + 128, left : left + 128])
            batch.append(crop.flip(-1) if rng.random() < 0.5 else crop)
        truth = to_unit(torch.stack(batch).to(device())).to(memory_format=torch.channels_last)
        with autocast():
            latents = model.encode(truth)
            output = model.decode(latents + 0.08 * torch.randn_like(latents))
        output = output.float()
        error = output - truth
        gradient = sum((output.diff(dim=d) - truth.diff(dim=d)).abs().mean() for d in (2, 3))
        size = 1e-3 * (latents.float() ** 2).mean()
        return error.abs().mean() + 2 * (error**2).mean() + gradient + size

    ema = train("autoencoder", model, [{"params": list(model.parameters()), "lr": 6e-4}], loss_of, budget, folder)
    _normalise(ema, pictures)
    return ema


def _normalise(model: Autoencoder, pictures: np.ndarray) -> None:
    """Set the latents' mean and deviation from 500 pictures."""
    model.mean.zero_()
    model.std.fill_(1)
    with torch.inference_mode():
        sample = to_unit(torch.from_numpy(pictures[:: max(1, len(pictures) // 500)]))
        latents = torch.cat([model.encode(part.to(device())) for part in sample.split(16)])
        model.mean.copy_(latents.mean((0, 2, 3), keepdim=True))
        model.std.copy_(latents.std((0, 2, 3), keepdim=True))


def _pictures(path: Path, characters: int) -> np.ndarray:
    """uint8 [N, 3, H, W] of the first characters, rendered once and kept in `path`."""
    if not path.exists():
        print(f"rendering {characters} characters for the autoencoder", flush=True)
        pictures = torch.cat(list(each(lambda seed: shoot(seed, WIDTH, HEIGHT).pictures, range(characters))))
        part = path.with_suffix(".part")
        with part.open("wb") as stream:
            np.save(stream, pictures.numpy())
        part.replace(path)
    return np.load(path)


class MatchLoss:
    """Supervises where the reference is looked up: cross-entropy of the attention against the renderer's correspondences.

    Half of the heads of each layer are taught, on the layers whose reference tokens are the fine ones; the rest stay free.
    """

    def __init__(self, matches: Tensor):
        self.matches = matches  # int64 [B, H, W]
        self.losses: list[Tensor] = []

    def __call__(self, query: Tensor, key: Tensor) -> None:
        grid, (_, heads, queries, width) = self.matches, query.shape
        if key.shape[2] * 4 != grid[0].numel():
            return
        truth = grid if queries == grid[0].numel() else grid[:, 1::2, 1::2]
        taught = (heads + 1) // 2
        logits = (query[:, :taught] @ key[:, :taught].transpose(-1, -2)).float().mean(1) * width**-0.5
        self.losses.append(nn.functional.cross_entropy(logits.flatten(0, 1), truth.flatten(), ignore_index=-100))

    def mean(self) -> Tensor:
        return torch.stack(self.losses).mean()


def denoising_loss(model: Denoiser, batch: Batch, rng: np.random.Generator, frames: int | None) -> Tensor:
    """One step's loss. `frames` T: the targets are clips of T frames, else single pictures.

    x_0 prediction weighted by min(1 / t, 4) and, inside the figure, 3.5 times; plus the reference's skeleton, the attention's
    matches and, on clips, the change from frame to frame.
    """
    batch = batch.to(device())
    count = len(batch.targets)
    clips = count // (frames or 1)
    noise = torch.randn_like(batch.targets)
    t = torch.from_numpy(rng.random(clips).astype(np.float32)) ** 0.6
    t[torch.from_numpy(rng.random(clips) < 0.15)] = 1.0
    t = t.repeat_interleave(frames or 1).to(noise.device)
    if frames and rng.random() < 0.5:  # as sampling will: half of the noise shared by a clip's frames
        common = torch.randn_like(noise[:clips]).repeat_interleave(frames, 0)
        noise = 0.5**0.5 * (noise + common)
    at = t.view(-1, 1, 1, 1)
    noisy = (1 - at) * batch.targets + at * noise

    match = MatchLoss(batch.matches)
    with_reference = rng.random() >= 0.08
    layout = {"memory_format": torch.channels_last}
    with autocast():
        pose = model.guider(batch.skeletons.to(**layout))
        reference = None
        if with_reference:
            reference, skeleton = model.encode_reference(batch.references.to(**layout))
        clean = model(noisy.to(**layout), t, pose, reference, frames, match).float()

    weight = (1 / at).clamp(max=4) * (1 + 2.5 * batch.foreground)
    loss = (weight * (clean - batch.targets) ** 2).mean()
    if with_reference:
        loss = loss + 0.3 * nn.functional.l1_loss(skeleton.float(), batch.reference_skeletons) + 0.05 * match.mean()
    if frames:
        error = (clean - batch.targets).unflatten(0, (clips, frames)).diff(dim=1)
        inside = 1 + 2.5 * batch.foreground.unflatten(0, (clips, frames))[:, 1:]
        loss = loss + 0.5 * (inside * error**2).mean()
    return loss


def train_frames(folder: Path, model: Denoiser, data: Dataset, budget: Budget, on_save=None) -> Denoiser:
    """Stage 1: single pictures; the temporal modules rest."""
    rngs = generators()
    temporal = set(model.temporal_parameters())
    spatial = [parameter for parameter in model.parameters() if parameter not in temporal]
    groups = [{"params": spatial, "lr": 5e-4}]

    def loss_of(part: int) -> Tensor:
        return denoising_loss(model, data.singles(rngs[part], 6 // len(rngs), 6), rngs[part], None)

    return train("frames", model, groups, loss_of, budget, folder, on_save=on_save)


def train_clips(folder: Path, model: Denoiser, data: Dataset, budget: Budget, frames: int = 8, on_save=None) -> Denoiser:
    """Stage 2: clips; the temporal modules learn, the rest follows at 0.4 of their rate."""
    rngs = generators()
    temporal = model.temporal_parameters()
    rest = set(temporal)
    spatial = [parameter for parameter in model.parameters() if parameter not in rest]
    groups = [{"params": temporal, "lr": 4e-4}, {"params": spatial, "lr": 1.6e-4}]

    def loss_of(part: int) -> Tensor:
        return denoising_loss(model, data.clips(rngs[part], 4 // len(rngs), frames), rngs[part], frames)

    return train("clips", model, groups, loss_of, budget, folder, on_save=on_save)


def generators() -> list[np.random.Generator]:
    """One random generator a worker, different at every sitting."""
    return [np.random.default_rng() for _ in range(workers())]


def count(model: nn.Module) -> float:
    """Parameters, in millions."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6
