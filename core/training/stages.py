"""The stages of the bundled model's training: mattes, the autoencoder, single frames, clips, and finished pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion.autoencoder import COLOURS, Autoencoder, AutoencoderConfig
from ..diffusion.bundled import SHARED_NOISE
from ..diffusion.matting import Matting
from ..diffusion.sampler import FlowPath
from ..diffusion.unet import Denoiser, Reference
from .dataset import CELL, NOTHING_LAID, Batch, Dataset, corner, square
from .loop import Budget, train
from .losses import MatchLoss, Weights, garment_loss, motion_loss, picture_loss
from .parallel import autocast, device, workers

WIDTH, HEIGHT = 256, 320
CROP, SQUARE, PATCH = 128, 192, 96  # pixels: what the decoder, the denoiser and both together learn on


def train_matting(folder: Path, data: Dataset, budget: Budget) -> Matting:
    """Which pixels of a reference are the person; for half of the pictures without knowing where the body is."""
    model = Matting().to(device())
    rngs = generators()

    def loss_of(part: int) -> Tensor:
        rng = rngs[part]
        pictures, mattes, capsules = (value.to(device()) for value in data.scenes(rng, max(1, 4 // len(rngs))))
        if rng.random() < 0.5:
            capsules = torch.zeros_like(capsules)
        with autocast():
            logits = model(pictures, capsules)
        return nn.functional.binary_cross_entropy_with_logits(logits.float(), mattes)

    return train("matting", model, [{"params": list(model.parameters()), "lr": 1e-3}], loss_of, budget, folder)


def train_autoencoder(folder: Path, data: Dataset, budget: Budget) -> Autoencoder:
    """Stage 0, on crops. The latents are disturbed, more or less, so that the decoder learns when to believe the reference."""
    model = Autoencoder(AutoencoderConfig()).to(device())
    scale = torch.ones(1, model.mean.shape[1], 1, 1, device=device())
    scale[:, :COLOURS] = 0.2  # about their deviation; the encoder gives the others one to match the noise
    rngs = generators()

    def loss_of(part: int) -> Tensor:
        rng = rngs[part]
        figures, mattes, details = (value.to(device()) for value in data.crops(rng, max(1, 8 // len(rngs)), CROP))
        details = _forget_reference(details, rng)
        noise = torch.from_numpy(rng.choice([0.05, 0.15, 0.3, 0.6], len(figures)).astype(np.float32)).to(device())
        with autocast():
            latents = model.encode(figures)
            figure, matte = model.decode(latents + scale * noise.view(-1, 1, 1, 1) * torch.randn_like(latents), details)
        return picture_loss(figure.float(), matte.float(), figures, mattes) + 1e-3 * (latents.float() ** 2).mean()

    ema = train("autoencoder", model, [{"params": list(model.parameters()), "lr": 1e-3}], loss_of, budget, folder)
    _normalise(ema, data)
    return ema


def _forget_reference(details: Tensor, rng: np.random.Generator, share: float = 0.2) -> Tensor:
    """Details as they are without the reference's joints, for a share of the batch."""
    count = NOTHING_LAID.shape[1]
    forgotten = torch.from_numpy(rng.random(len(details)) < share).to(details.device).view(-1, 1, 1, 1)
    laid = torch.where(forgotten, NOTHING_LAID.to(details.device), details[:, :count])
    return torch.cat((laid, details[:, count:]), 1)


def _normalise(model: Autoencoder, data: Dataset) -> None:
    """Set the latents' mean and deviation from 200 figures of the first people: the same however many there are by now."""
    model.mean.zero_()
    model.std.fill_(1)
    rng = np.random.default_rng(0)
    with torch.inference_mode():
        latents = torch.cat([model.encode(data.crops(rng, 4, CROP, rows=64)[0].to(device())) for _ in range(50)])
        model.mean.copy_(latents.mean((0, 2, 3), keepdim=True))
        model.std.copy_(latents.std((0, 2, 3), keepdim=True))


def denoising_loss(
    model: Denoiser,
    batch: Batch,
    rng: np.random.Generator,
    frames: int | None,
    weights: Weights = Weights(),  # noqa: B008
) -> Tensor:
    """One step's loss. `frames` T: the targets are clips of T frames, else single pictures.

    x_0 prediction weighted by min(1 / t, 2) and, in and beside the figure, 5 times; plus the reference's body map, the
    character's identity and, on clips, its motion.
    """
    batch = batch.to(device())
    clips = len(batch.targets) // (frames or 1)
    noise = torch.randn_like(batch.targets)
    t = 1 - torch.from_numpy(rng.random(clips).astype(np.float32))
    t[torch.from_numpy(rng.random(clips) < 0.4)] = 1.0  # where every path begins, and most is decided
    t = t.repeat_interleave(frames or 1).to(noise.device)
    if frames:  # as sampling will: a clip's frames share most of their noise
        common = torch.randn_like(noise[:clips]).repeat_interleave(frames, 0)
        noise = SHARED_NOISE**0.5 * common + (1 - SHARED_NOISE) ** 0.5 * noise
    at = t.view(-1, 1, 1, 1)
    noisy = (1 - at) * batch.targets + at * noise

    match = MatchLoss(batch.matches, batch.references[0, 0].numel() // 4)
    with_reference = rng.random() >= 0.05
    layout = {"memory_format": torch.channels_last}
    with autocast():
        pose = model.guider(batch.detail.to(**layout))
        reference = None
        if with_reference:
            reference, body = model.encode_reference(batch.references.to(**layout), batch.body.to(**layout))
            reference = Reference(batch.beside, reference.bank)
        clean = model(noisy.to(**layout), t, pose, batch.warped, reference, frames, match).float()

    inside = _inside(batch)
    weight = (1 / at).clamp(max=2) * inside
    # Not squared beyond 1: a few latents are far out, and would drown the others.
    loss = 2 * (weight * nn.functional.smooth_l1_loss(clean, batch.targets, reduction="none")).mean()
    if with_reference:
        loss = loss + 0.1 * nn.functional.l1_loss(body.float(), batch.body)
        loss = loss + weights.identity * 0.05 * match.mean()
    loss = loss + weights.identity * 0.2 * garment_loss(clean, batch.targets, batch.regions)
    if frames:
        loss = loss + weights.motion * 0.5 * motion_loss(clean, batch.targets, inside, frames)
    return loss


def _inside(batch: Batch) -> Tensor:
    """How much latents count, [B, 1, H, W]: in and beside the figure 5 times."""
    return 1 + 4 * nn.functional.max_pool2d(batch.foreground, 3, 1, 1)


def train_frames(folder: Path, model: Denoiser, data: Dataset, budget: Budget, weights: Weights, on_save=None) -> Denoiser:
    """Stage 1: squares of single pictures, which cost half as much; the temporal modules rest."""
    rngs = generators()
    temporal = set(model.temporal_parameters())
    spatial = [parameter for parameter in model.parameters() if parameter not in temporal]
    groups = [{"params": spatial, "lr": 4e-4}]

    def loss_of(part: int) -> Tensor:
        batch = data.singles(rngs[part], max(1, 2 // len(rngs)), 4, SQUARE)
        return denoising_loss(model, batch, rngs[part], None, weights)

    return train("frames", model, groups, loss_of, budget, folder, on_save=on_save)


def train_clips(
    folder: Path, model: Denoiser, data: Dataset, budget: Budget, weights: Weights, frames: int = 6, on_save=None
) -> Denoiser:
    """Stage 2: clips; the temporal modules learn, the rest follows at 0.4 of their rate."""
    rngs = generators()
    temporal = model.temporal_parameters()
    rest = set(temporal)
    spatial = [parameter for parameter in model.parameters() if parameter not in rest]
    groups = [{"params": temporal, "lr": 5e-4}, {"params": spatial, "lr": 2e-4}]

    def loss_of(part: int) -> Tensor:
        return denoising_loss(model, data.clips(rngs[part], max(1, 2 // len(rngs)), frames), rngs[part], frames, weights)

    return train("clips", model, groups, loss_of, budget, folder, on_save=on_save)


def train_details(folder: Path, autoencoder: Autoencoder, denoiser: Denoiser, data: Dataset, budget: Budget) -> nn.ModuleDict:
    """Stage 3: denoiser and decoder together, by the pictures that come out, most of them of a single step from noise.

    Returns both, as `autoencoder` and `denoiser`. The decoder draws a patch of each square: the denoiser costs less than it.
    """
    rngs = generators()
    autoencoder.decoder.trust_reference()
    temporal = set(denoiser.temporal_parameters())
    spatial = [parameter for parameter in denoiser.requires_grad_(True).parameters() if parameter not in temporal]
    decoder = list(autoencoder.decoder.requires_grad_(True).parameters())  # the encoder stays: latents are its

    def loss_of(part: int) -> Tensor:
        rng = rngs[part]
        batch, figures, mattes = data.finished(rng, max(1, 4 // len(rngs)), 2, SQUARE)
        batch, figures, mattes = batch.to(device()), figures.to(device()), mattes.to(device())
        path = FlowPath(int(rng.choice([1, 1, 2])))
        with autocast():
            reference, _ = denoiser.encode_reference(batch.references, batch.body)
            reference = Reference(batch.beside, reference.bank)
            pose = denoiser.guider(batch.detail)

            def predict(x: Tensor, t: float) -> Tensor:
                return denoiser(x, torch.full((len(x),), t, device=x.device), pose, batch.warped, reference).float()

            latents = torch.randn_like(batch.targets)
            *before, last = path.times
            with torch.no_grad():
                for step, t in enumerate(before):
                    latents, _ = path.step(step, predict(latents, t), latents)
            clean = predict(latents, last)
            patch = _patches(rng, batch.regions.cpu().numpy(), PATCH)
            figure, matte = autoencoder.decode(patch(clean, 1), patch(batch.detail, CELL))
        far = (_inside(batch) * nn.functional.smooth_l1_loss(clean, batch.targets, reduction="none")).mean()
        drawn = picture_loss(figure.float(), matte.float(), patch(figures, CELL), patch(mattes, CELL))
        return drawn + 0.5 * far + 0.2 * garment_loss(clean, batch.targets, batch.regions)

    both = nn.ModuleDict({"autoencoder": autoencoder, "denoiser": denoiser})
    groups = [{"params": [*decoder, *spatial], "lr": 2.5e-4}]
    ema = train("details", both, groups, loss_of, budget, folder)
    assert isinstance(ema, nn.ModuleDict)
    return ema


def _patches(rng: np.random.Generator, regions: np.ndarray, size: int) -> Callable[[Tensor, int], Tensor]:
    """Cuts a square of `size` pixels, mostly on the figure, for each of `regions` [B, H, W]; out of any tensor [B, C, ., .] of
    so many pixels a cell the same."""
    corners = [corner(rng, region, size) for region in regions]

    def cut(values: Tensor, cell: int) -> Tensor:
        return torch.stack([value[:, *square(at, size, cell)] for value, at in zip(values, corners, strict=True)])

    return cut


def generators() -> list[np.random.Generator]:
    """One random generator a worker, different at every sitting."""
    return [np.random.default_rng() for _ in range(workers())]


def count(model: nn.Module) -> float:
    """Parameters, in millions."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6
