"""What a job takes of the device's memory, and what is told when that is not there."""

from __future__ import annotations

import ctypes
import sys
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


_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # glibc's numbers for what `mallopt` sets
_KEEPING = {_TRIM_THRESHOLD: 1 << 30, _MMAP_MAX: 0}
_AS_EVER = {_TRIM_THRESHOLD: 64 << 20, _MMAP_THRESHOLD: 32 << 20, _MMAP_MAX: 1 << 16}  # where glibc's own settle in such work


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Let the process keep what it frees in here for what it takes next; at the end it goes back to the system.

    glibc gives large blocks back at once, and to take them anew, page by page, costs up to a tenth of a job on the CPU
    (measured). Afterwards glibc's thresholds, which move by themselves, stay where they mostly end. Other C libraries are left
    as they are.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    for name, value in _KEEPING.items():
        library.mallopt(name, value)
    try:
        yield
    finally:
        for name, value in _AS_EVER.items():
            library.mallopt(name, value)
        library.malloc_trim(0)


# How the allocator for CPUs and the mapping of files put it, Apple's and that of pinned memory, and CUDA's libraries.
_SHORTAGES = ("allocate memory", "out of memory", "ALLOC_FAILED")


@contextmanager
def shortage_named(what: str) -> Iterator[None]:
    """Turn every way of running out of memory into `OutOfMemory`, saying `what` does not fit."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if known or any(sign in str(error) for sign in _SHORTAGES):
            raise OutOfMemory(f"{what} does not fit in memory.") from error
        raise
