"""What a job takes of the device's memory, and what is told when that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from ..errors import OutOfMemory


def free_bytes(device: str) -> int:
    """What a job could still take on `device`, what torch holds there in reserve included."""
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.startswith("mps"):
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return psutil.virtual_memory().available


@contextmanager
def shortage_named(what: str) -> Iterator[None]:
    """Turn every way of running out of memory into `OutOfMemory`, saying `what` does not fit."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if known or "allocate memory" in str(error):  # so the allocator for CPUs and the mapping of files put it
            raise OutOfMemory(f"{what} does not fit in memory.") from error
        raise
