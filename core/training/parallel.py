"""Work on every core with one torch thread each.

On CPUs two half batches side by side beat one batch on two threads: no operator waits for the other core, so other work on the
machine slows training down in proportion, where it stalled it at every barrier (measured: from 6 steps/s to 1).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from ..engines.placement import DTYPES, fastest

Item = TypeVar("Item")
Result = TypeVar("Result")


def device() -> torch.device:
    """Where the networks train."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def workers() -> int:
    """Threads that train: one on a GPU, else one for each core that this process may use, at most 8."""
    if device().type == "cuda":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 8)


def autocast() -> torch.autocast:
    """Sixteen bits where they are safe, on a device that has instructions for them; nothing on others, which they only slow."""
    dtype = DTYPES[fastest(device())]
    fast = dtype != torch.float32
    return torch.autocast(device().type, dtype if fast else torch.bfloat16, enabled=fast)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers(), initializer=torch.set_num_threads, initargs=(1,))


def each(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterable[Result]:
    """`function` of every item, in order, side by side."""
    return _pool().map(function, items)


def backward(loss_of: Callable[[int], Tensor], parameters: list[torch.nn.Parameter]) -> float:
    """Leave the mean gradient of `loss_of(part)`, one part a worker, in the parameters; return the mean loss."""

    def part_of(part: int) -> tuple[float, tuple[Tensor | None, ...]]:
        loss = loss_of(part)
        return loss.item(), torch.autograd.grad(loss, parameters, allow_unused=True)

    parts = list(each(part_of, range(workers())))
    for parameter, *gradients in zip(parameters, *(gradients for _, gradients in parts), strict=True):
        known = [gradient for gradient in gradients if gradient is not None]
        parameter.grad = sum(known[1:], known[0]) / len(parts) if known else None
    return sum(loss for loss, _ in parts) / len(parts)
