"""How long a job still takes, from how long its steps and frames took."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable

_RECENT = 5


class _Pace:
    """Seconds a unit: the median of the last few, because one slow unit says nothing about the rest."""

    def __init__(self):
        self._seconds: deque[float] = deque(maxlen=_RECENT)
        self._warming_up: float | None = None

    def add(self, seconds: float) -> None:
        # The first unit also pays for loading and warming up: it counts only until there is a second one.
        if self._warming_up is None:
            self._warming_up = seconds
        else:
            self._seconds.append(seconds)

    def value(self) -> float | None:
        return statistics.median(self._seconds) if self._seconds else self._warming_up


class Eta:
    """Seconds left, for a job that does `steps` steps and gives `frames` frames, after the steps or in between."""

    def __init__(self, frames: int, clock: Callable[[], float] = time.monotonic):
        self._frames = frames
        self._clock = clock
        self._last = clock()
        self._step, self._frame = _Pace(), _Pace()
        self._steps_left, self._frames_left = 0, frames

    def _elapsed(self) -> float:
        now = self._clock()
        elapsed, self._last = now - self._last, now
        return elapsed

    def after_step(self, step: int, steps: int) -> float:
        """Seconds left after `step` (from 1) of `steps`."""
        self._step.add(self._elapsed())
        self._steps_left = steps - step
        return self._left()

    def after_frame(self, index: int) -> float:
        """Seconds left after frame `index` (from 0)."""
        self._frame.add(self._elapsed())
        self._frames_left = self._frames - 1 - index
        return self._left()

    def _left(self) -> float:
        a_step, a_frame = self._step.value() or 0.0, self._frame.value()
        # Until one has been timed: decoding a frame costs about what its share of a step does.
        frames = a_step if a_frame is None else self._frames_left * a_frame
        return self._steps_left * a_step + frames
