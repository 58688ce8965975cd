"""The schedulers of models that predict noise or velocity, by name, as paths of the one denoising loop (`sampler.denoise`)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, LCMScheduler, TCDScheduler
from torch import Tensor

from ..errors import InvalidRequest

SCHEDULERS = {
    "ddim": DDIMScheduler,  # Song 2020
    "dpm++": DPMSolverMultistepScheduler,  # DPM-Solver++ 2M, Lu 2022: about half of DDIM's steps
    "lcm": LCMScheduler,  # Luo 2023: 4 to 8 steps, of weights that were distilled for it
    "tcd": TCDScheduler,  # Zheng 2024: the same
}

_GOLDEN = 0x9E3779B1  # 2^32 over the golden ratio: spreads consecutive steps over all seeds (Knuth)


def make_path(name: str, published: Mapping[str, Any], steps: int, seed: int = 0) -> DiffusionPath:
    """The path of scheduler `name` in `steps` steps. `seed` is of the noise that "lcm" and "tcd" add in every step.

    `published` is the configuration the model was trained with, in diffusers' names: betas, prediction type, spacing; what a
    scheduler does not have a name for is left out. Raises `InvalidRequest`.
    """
    try:
        kind = SCHEDULERS[name]
    except KeyError:
        raise InvalidRequest(f"There is no scheduler called {name!r}.", f"Choose one of {', '.join(SCHEDULERS)}.") from None
    known = inspect.signature(kind.__init__).parameters
    scheduler = kind(**{key: value for key, value in published.items() if key in known})
    try:
        scheduler.set_timesteps(steps)
    except ValueError as error:
        raise InvalidRequest(f"Scheduler {name} cannot take {steps} steps: {error}", "Choose fewer steps.") from error
    return DiffusionPath(scheduler, seed)


class DiffusionPath:
    """A diffusers scheduler of the variance-preserving kind: initial noise and network input are not scaled."""

    def __init__(self, scheduler, seed: int = 0):
        self._scheduler = scheduler
        self._seed = seed
        self.times: list[float] = scheduler.timesteps.tolist()
        self._draws_noise = isinstance(scheduler, LCMScheduler | TCDScheduler)
        self._is_multistep = isinstance(scheduler, DPMSolverMultistepScheduler)

    def step(self, step: int, output: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        """See `Path.step`. The noise of a step depends on the seed and the step alone, so a resumed job draws the same."""
        t, options = self._scheduler.timesteps[step], {}
        if self._draws_noise:
            options["generator"] = torch.Generator().manual_seed((self._seed + _GOLDEN * (step + 1)) % 2**32)
        after = self._scheduler.step(output, t, latents, return_dict=False, **options)[0]
        return after, self._clean(output, int(t), latents)

    def memory(self) -> list[Tensor]:
        return [output for output in self._scheduler.model_outputs if output is not None] if self._is_multistep else []

    def resume(self, done: int, memory: Sequence[Tensor]) -> None:
        if hasattr(self._scheduler, "set_begin_index"):
            self._scheduler.set_begin_index(done)
        if self._is_multistep:
            order = self._scheduler.config.solver_order
            self._scheduler.model_outputs = [None] * (order - len(memory)) + list(memory)
            self._scheduler.lower_order_nums = min(done, order)

    def _clean(self, output: Tensor, t: int, latents: Tensor) -> Tensor:
        """Clean latents that a prediction of noise or velocity (v, Salimans 2022) at time t points to."""
        keep = self._scheduler.alphas_cumprod[t]
        signal, noise = float(keep**0.5), float((1 - keep) ** 0.5)
        if self._scheduler.config.prediction_type == "v_prediction":
            return signal * latents - noise * output
        return (latents - noise * output) / max(signal, 1e-3)
