"""What a job takes of the device's memory, and what is told when that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import OutOfMemory


@contextmanager
def shortage_named(what: str) -> Iterator[None]:
    """Turn every way of running out of memory into `OutOfMemory`, saying `what` does not fit."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(f"{what} does not fit in memory.") from error
    except RuntimeError as error:
        if "allocate memory" in str(error):  # so the allocator for CPUs puts it
            raise OutOfMemory(f"{what} does not fit in memory.") from error
        raise
