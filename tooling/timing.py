"""How long something takes here, with others using the machine too."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

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


class Spent(NamedTuple):
    """Seconds by the clock, and of processors, which others on the machine hardly lengthen. Or ratios of either."""

    clock: float
    processor: float


class Race:
    """Works that are run by turns, so that whoever else uses the machine slows all of them; after a round that warms up."""

    def __init__(self, works: dict[str, Callable[[], object]], rounds: int):
        for work in works.values():
            work()
        self._rounds = [{name: _spent(work) for name, work in works.items()} for _ in range(rounds)]

    def seconds(self, name: str) -> float:
        """The median by the clock."""
        return median(times[name].clock for times in self._rounds)

    def ratio(self, one: str, other: str) -> Spent:
        """How many times as long `one` takes as `other`: the medians over the rounds."""
        pairs = [(times[one], times[other]) for times in self._rounds]
        clock, processor = (median(first[kind] / second[kind] for first, second in pairs) for kind in (0, 1))
        return Spent(clock, processor)

    def told(self, one: str, other: str) -> str:
        ratio = self.ratio(one, other)
        return f"{ratio.clock:.2f} x (processor {ratio.processor:.2f} x)"


def _spent(work: Callable[[], object]) -> Spent:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - clock, time.process_time() - processor)
