"""From noise to frames, for every engine alike: denoise, keep the latents after each step, tell the progress, decode."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..diffusion import sampler
from ..pose.clip import PoseClip
from ..protocol import GenerationSettings, decode_batch
from .interface import FrameReady, OnProgress, PreviewReady, StepDone

PIXELS = 64  # a latent stands for

Decode = Callable[[Tensor], np.ndarray]
"""Latents f32 [n, C, h, w] to pictures uint8 [n, H, W, 3] RGB."""


def draw(
    predict: Callable[[Tensor, float], Tensor],
    noise: Tensor,
    path: sampler.Path,
    decode: Decode,
    on_progress: OnProgress,
    checkpoint: Checkpoint | None = None,
    preview: Decode | None = None,
    count: int | None = None,
    drawn: int = 0,
) -> Tensor:
    """Denoise `noise` f32 [T, C, h, w], or go on where `checkpoint` was left, and send the frames as they are decoded.

    `predict` and `path` as for `sampler.denoise`. `preview` decodes the middle frame after each step, roughly but fast; None:
    `decode`. Of a clip that was lengthened for the model's sake only the first `count` frames are sent, and of these only what
    comes with and after frame `drawn`. All clean latents are returned.
    """
    latents, done = noise, 0
    if checkpoint and (kept := checkpoint.load()):
        latents, done = kept.latents.to(noise.device), kept.step
        path.resume(done, [part.to(noise.device) for part in kept.memory])
    middle = len(noise[:count]) // 2

    def on_step(step: int, latents: Tensor, clean: Tensor) -> None:
        if checkpoint:
            checkpoint.save(Kept(latents, step, path.memory()))
        on_progress(PreviewReady(step, (preview or decode)(clean[middle : middle + 1])[0]))
        on_progress(StepDone(step, len(path.times)))

    latents = sampler.denoise(predict, latents, path, done, on_step)
    wanted, batch = latents[:count], decode_batch(PIXELS * latents.shape[-1] * latents.shape[-2])
    for start in range(drawn // batch * batch, len(wanted), batch):
        for index, image in enumerate(decode(wanted[start : start + batch]), start):
            on_progress(FrameReady(index, image))
    return latents


def fingerprint(clip: PoseClip, references: Sequence[np.ndarray], settings: GenerationSettings) -> str:
    """What tells one job from another: the same fingerprint, the same frames."""
    digest = hashlib.sha256(json.dumps([clip.digest(), settings.to_json()]).encode())
    for picture in references:
        digest.update(repr(picture.shape).encode() + np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Kept:
    """What a job goes on from: the latents f32 [T, C, h, w] after `step` steps, and the scheduler's memory of them."""

    latents: Tensor
    step: int
    memory: Sequence[Tensor] = ()


@dataclass(frozen=True)
class Checkpoint:
    """The file that one job, told by its fingerprint, keeps its latents in."""

    path: Path
    job: str

    def save(self, kept: Kept) -> None:
        """Raises `OSError`, on a full disk too."""
        tensors = {f"memory.{index}": part for index, part in enumerate(kept.memory)} | {"latents": kept.latents}
        part = self.path.with_name(f"{self.path.name}.part")
        # Not `save_file`: on a full disk that raises an error of its own, which nobody can tell from another.
        part.write_bytes(
            save({name: t.cpu().contiguous() for name, t in tensors.items()}, {"step": str(kept.step), "job": self.job})
        )
        part.replace(self.path)

    def load(self) -> Kept | None:
        """None where the file is not there, is of another job, or cannot be read: the job then begins anew."""
        try:
            with safe_open(self.path, "pt") as archive:
                header = archive.metadata() or {}
                if header.get("job") != self.job:
                    return None
                memory = [archive.get_tensor(f"memory.{index}") for index in range(len(list(archive.keys())) - 1)]
                return Kept(archive.get_tensor("latents"), int(header["step"]), memory)
        except (SafetensorError, OSError, KeyError):
            return None
