"""Sampling along the straight path from noise to latents: Euler steps (diffusers' flow-matching scheduler)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor


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
    steps: int,
    done: int = 0,
    on_step: Callable[[int, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """From `latents` as they are after `done` of `steps` steps (0: noise) to clean latents.

    `predict(x, t)` gives the clean latents that x at time t (1: noise, 0: clean) leads to. `on_step(step, x, clean)` is told
    each finished step, from 1, with the latents after it and that prediction; it may raise to stop.
    """
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    scheduler.set_timesteps(steps)
    scheduler.set_begin_index(done)
    for step in range(done, steps):
        t = float(scheduler.sigmas[step])
        clean = predict(latents, t)
        velocity = (latents - clean) / t
        latents = scheduler.step(velocity, scheduler.timesteps[step], latents, return_dict=False)[0]
        if on_step:
            on_step(step + 1, latents, clean)
    return latents
