"""The training set: characters as latents, rendered and encoded once, and the batches drawn from it."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ..control.guide import draw_guide
from ..diffusion.autoencoder import Autoencoder
from ..pose.skeleton import KEYPOINT_COUNT
from .parallel import autocast, device, each
from .renderer import CELL
from .shots import CLIP_FRAMES, CONES, FRAMES, NO_CONE, REFERENCES, Shot, shoot

KEYPOINTS = 24  # body and feet: what the bundled model's skeleton shows
TOKEN = 16  # pixels a reference token stands for, at the finer of the encoder's token grids


@dataclass(frozen=True)
class Batch:
    """R characters, S targets each; B = R S, targets of one character in a row.

    references f32 [R, C, H, W] and targets f32 [B, C, H, W] latents; skeletons f32 [B, 3, 4H, 4W] in 0..1 and
    reference_skeletons f32 [R, 3, H, W]; foreground f32 [B, 1, H, W]; matches int64 [B, H, W]: the reference token that shows
    the same spot of the body, or -100
    """

    references: Tensor
    targets: Tensor
    skeletons: Tensor
    reference_skeletons: Tensor
    foreground: Tensor
    matches: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(**{entry.name: getattr(self, entry.name).to(device) for entry in fields(self)})


class Dataset:
    """Memory-mapped arrays in `folder`, one row a character: filled up to `characters` by `build`, resumable."""

    def __init__(self, folder: Path, characters: int, width: int, height: int, channels: int):
        self.folder, self.characters, self.width, self.height = folder, characters, width, height
        folder.mkdir(parents=True, exist_ok=True)
        cells = (height // CELL, width // CELL)
        layout = {
            "latents": (np.float16, (FRAMES, channels, *cells)),
            "points": (np.float32, (FRAMES, KEYPOINTS, 2)),
            "drawable": (np.bool_, (FRAMES, KEYPOINTS)),
            "foreground": (np.uint8, (FRAMES, *cells)),
            "cone": (np.uint8, (FRAMES, *cells)),
            "along": (np.float16, (FRAMES, *cells)),
            "axes": (np.float32, (FRAMES, CONES, 2, 2)),
        }
        self.arrays = {}
        for name, (dtype, shape) in layout.items():
            path = folder / f"{name}.npy"
            mode = "r+" if path.exists() else "w+"
            self.arrays[name] = np.lib.format.open_memmap(path, mode, dtype, (characters, *shape))
        self.ready = folder / "ready"
        self.length = int(self.ready.read_text()) if self.ready.exists() else 0

    def build(self, autoencoder: Autoencoder) -> None:
        """Render and encode the characters that are still missing."""
        started, first = time.monotonic(), self.length

        def make(seed: int) -> tuple[Shot, Tensor]:
            shot = shoot(seed, self.width, self.height)
            with torch.inference_mode(), autocast():
                pictures = (shot.pictures.to(device()).float() / 127.5 - 1).to(memory_format=torch.channels_last)
                return shot, autoencoder.encode(pictures).cpu()

        seeds = range(first, self.characters)
        for seed, (shot, latents) in zip(seeds, each(make, seeds), strict=True):
            row = {
                "latents": latents.float().numpy(), "points": shot.points[:, :KEYPOINTS],
                "drawable": shot.drawable[:, :KEYPOINTS], "cone": shot.cone.numpy(), "along": shot.along.numpy(),
                "foreground": torch.nn.functional.avg_pool2d(shot.mattes.float(), CELL)[:, 0].round().numpy(),
                "axes": shot.axes.numpy(),
            }  # fmt: skip
            for name, value in row.items():
                self.arrays[name][seed] = value
            self.length = seed + 1
            if self.length % 50 == 0 or self.length == self.characters:
                for array in self.arrays.values():
                    array.flush()
                self.ready.write_text(str(self.length))
                left = (time.monotonic() - started) / (self.length - first) * (self.characters - self.length)
                print(f"dataset: {self.length} of {self.characters} characters, {left / 60:.1f} min left", flush=True)

    def singles(self, rng: np.random.Generator, characters: int, targets: int) -> Batch:
        """Random pictures of random characters."""
        who = rng.integers(self.length, size=characters)
        frames = np.stack([rng.permutation(FRAMES)[:targets] for _ in who])
        return self._batch(rng, who, frames)

    def clips(self, rng: np.random.Generator, characters: int, frames: int) -> Batch:
        """Random clips of `frames` frames in a row."""
        who = rng.integers(self.length, size=characters)
        start = REFERENCES + rng.integers(CLIP_FRAMES - frames + 1, size=characters)
        return self._batch(rng, who, start[:, None] + np.arange(frames))

    def _batch(self, rng: np.random.Generator, who: np.ndarray, frames: np.ndarray) -> Batch:
        characters, targets = frames.shape
        pick = np.where(
            rng.random(characters) < 0.8, rng.integers(REFERENCES, size=characters), rng.integers(FRAMES, size=characters)
        )
        rows = np.repeat(who, targets), frames.reshape(-1)
        latents, a = self.arrays["latents"], self.arrays
        skeletons = [self._skeleton(i, j, 2) for i, j in zip(*rows, strict=True)]
        of_references = [self._skeleton(i, j, CELL) for i, j in zip(who, pick, strict=True)]
        return Batch(
            references=torch.from_numpy(latents[who, pick].astype(np.float32)),
            targets=torch.from_numpy(latents[rows].astype(np.float32)),
            skeletons=pictures_to_tensor(skeletons),
            reference_skeletons=pictures_to_tensor(of_references),
            foreground=torch.from_numpy(a["foreground"][rows].astype(np.float32) / 255)[:, None],
            matches=self._matches(rows, np.repeat(who, targets), np.repeat(pick, targets)),
        )

    def _skeleton(self, character: int, frame: int, shrink: int) -> np.ndarray:
        points = np.zeros((KEYPOINT_COUNT, 2), np.float32)
        shown = np.zeros(KEYPOINT_COUNT, bool)
        points[:KEYPOINTS], shown[:KEYPOINTS] = (
            self.arrays["points"][character, frame],
            self.arrays["drawable"][character, frame],
        )
        return draw_guide(points, shown, self.width, self.height, shrink)

    def _matches(self, rows: tuple, who: np.ndarray, pick: np.ndarray) -> Tensor:
        cone, along = self.arrays["cone"][rows], self.arrays["along"][rows].astype(np.float32)[..., None]
        axes = self.arrays["axes"][who, pick]  # [B, cones, 2, 2]
        batch = np.arange(len(cone))[:, None, None]
        start, end = np.moveaxis(axes[batch, np.minimum(cone, CONES - 1)], -2, 0)
        spot = (start * (1 - along) + end * along) // TOKEN  # [B, H, W, 2]
        columns, lines = self.width // TOKEN, self.height // TOKEN
        inside = (spot >= 0).all(-1) & (spot[..., 0] < columns) & (spot[..., 1] < lines) & (cone != NO_CONE)
        return torch.from_numpy(np.where(inside, spot[..., 1] * columns + spot[..., 0], -100).astype(np.int64))


def pictures_to_tensor(pictures: list[np.ndarray]) -> Tensor:
    """uint8 [H, W, 3] each, to f32 [N, 3, H, W] in 0..1."""
    return rearrange(torch.from_numpy(np.stack(pictures)).float() / 255, "n h w c -> n c h w")
