"""The denoising loop, for every engine, and the bundled model's way through it: the straight path from noise to latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor


class Path(Protocol):
    """How latents get from noise to clean in steps. `times`: what the network is told at the beginning of each."""

    times: list[float]

    def step(self, step: int, output: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Latents after step `step` (from 0), and the clean ones that the network's `output` points to."""

    def memory(self) -> list[Tensor]:
        """What the next step needs of the last ones, beside the latents."""

    def resume(self, done: int, memory: Sequence[Tensor]) -> None:
        """Go on after `done` steps with what `memory()` gave then."""


class FlowPath:
    """The straight path x_t = (1 - t) clean + t noise (flow matching, Lipman 2022) in Euler steps, for networks that put out
    the clean latents. Times run evenly from 1 (noise) to 0 (clean), where nothing is left to predict."""

    def __init__(self, steps: int):
        *self.times, _ = self._times = [1 - step / steps for step in range(steps + 1)]

    def step(self, step: int, output: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        t, after = self._times[step : step + 2]
        velocity = (latents - output) / t
        return latents + (after - t) * velocity, output

    def memory(self) -> list[Tensor]:
        return []

    def resume(self, done: int, memory: Sequence[Tensor]) -> None:
        pass


def initial_noise(frames: int, shape: tuple[int, int, int], seed: int, shared: float = 0.5) -> Tensor:
    """Noise f32 [frames, *shape] of unit variance, on the CPU, the same for a seed on every device.

    `shared` of its variance is common to all frames, which steadies what pose and reference leave open.
    """
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(1, *shape, generator=generator)
    own = torch.randn(frames, *shape, generator=generator)
    return shared**0.5 * common + (1 - shared) ** 0.5 * own


def denoise(
    predict: Callable[[Tensor, float], Tensor],
    latents: Tensor,
    path: Path,
    done: int = 0,
    on_step: Callable[[int, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """From `latents` as they are after `done` of the path's steps (0: noise) to clean latents.

    `predict(x, t)` gives the network's output for x at time t. `on_step(step, x, clean)` is told each finished step, from 1,
    with the latents after it and the clean ones it pointed to; it may raise to stop.
    """
    for step in range(done, len(path.times)):
        output = predict(latents, path.times[step])
        latents, clean = path.step(step, output, latents)
        if on_step:
            on_step(step + 1, latents, clean)
    return latents
