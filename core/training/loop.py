"""The training loop that every stage shares: a budget in minutes, an EMA, a log, checkpoints, and resuming from them."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .parallel import backward, device


@dataclass(frozen=True)
class Budget:
    """`minutes` of training in all, over as many sittings as it takes; checkpoints every `save_every` seconds."""

    minutes: float
    save_every: float = 120


def forget_outdated(folder: Path, stage: str, budget: Budget, *later: str) -> None:
    """Where `stage` goes on training, the `later` ones, which begin with its weights, are to begin again."""
    state = folder / f"{stage}.pt"
    if not state.exists() or torch.load(state, map_location="cpu", weights_only=True)["spent"] < 60 * budget.minutes:
        for name in later:
            (folder / f"{name}.pt").unlink(missing_ok=True)


def train(
    name: str,
    model: nn.Module,
    groups: list[dict],
    loss_of: Callable[[int], Tensor],
    budget: Budget,
    folder: Path,
    ema_decay: float = 0.999,
    on_save: Callable[[nn.Module, float], None] | None = None,
) -> nn.Module:
    """Train `model` until the budget is spent; return the exponential moving average of its weights.

    `loss_of(part)` computes the loss of one worker's part of a batch (see `parallel`). The learning rates in `groups` warm up
    over 40 steps and fall along a cosine of the time spent. State lives in `folder/<name>.pt`, the curve in
    `folder/<name>.jsonl`. Called again, it goes on.
    """
    state_path = folder / f"{name}.pt"
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.01)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    peaks = [group["lr"] for group in optimizer.param_groups]
    ema = copy.deepcopy(model).requires_grad_(False)
    step, spent = 0, 0.0
    if state_path.exists():
        state = torch.load(state_path, map_location=device(), weights_only=True)
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
        print(f"{name}: going on from step {step}, {spent / 60:.1f} of {budget.minutes:g} minutes", flush=True)

    def save() -> None:
        part = state_path.with_suffix(".part")
        state = {"model": model.state_dict(), "ema": ema.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save({**state, "step": step, "spent": spent}, part)
        part.replace(state_path)
        if on_save:
            on_save(ema, spent / 60)

    total, saved, logged, losses = budget.minutes * 60, spent, spent, []
    last = time.monotonic()
    while spent < total:
        rate = min(1, (step + 1) / 40) * (0.03 + 0.97 * (0.5 + 0.5 * math.cos(math.pi * spent / total)))
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * rate
        losses.append(backward(loss_of, parameters))
        nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.step()
        step += 1
        decay = min(ema_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - decay)
        now = time.monotonic()
        spent, last = spent + now - last, now
        if spent - logged > 15:
            logged = spent
            row = {"step": step, "minutes": round(spent / 60, 2), "loss": round(sum(losses) / len(losses), 5)}
            print(f"{name}: {row} {(total - spent) / 60:.1f} min left", flush=True)
            with (folder / f"{name}.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            losses.clear()
        if spent - saved > budget.save_every:
            saved = spent
            save()
            last = time.monotonic()  # what saving cost is not training time
    save()
    return ema
