"""How long something takes here, with others using the machine too."""

from __future__ import annotations

import time
from collections.abc import Callable

ROUNDS = 3  # the best of so many counts


def best_seconds(work: Callable[[], object]) -> float:
    """The shortest of `ROUNDS` runs, after one that warms up."""
    work()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
