"""A progress bar with the time left, on a terminal or in a log. Standard library only, any Python from 3.9."""

from __future__ import annotations

import sys
import time
from typing import TextIO

WIDTH = 28
LOG_SECONDS = 10.0  # in a log, where a line cannot be drawn over, one line at most so often


def duration(seconds: float) -> str:
    """Seconds as a person says them: `42 s`, `3 min 20 s`."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


class Bar:
    """One bar, drawn in place on a terminal, and line by line elsewhere. Use it as a context manager.

    The time left is extrapolated from the time since the first report, so it says nothing before there is anything to
    extrapolate from.
    """

    def __init__(self, title: str, stream: TextIO | None = None):
        self.title = title
        self.stream = stream or sys.stdout
        self.in_place = self.stream.isatty()
        self.started = time.monotonic()
        self.last_log = -LOG_SECONDS
        self.fraction = 0.0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.finish(complete=kind is None)

    def finish(self, complete: bool = True) -> None:
        took = duration(time.monotonic() - self.started)
        self._write(f"{self.title}: {'done in' if complete else 'stopped after'} {took}", final=True)

    def update(self, fraction: float, label: str = "", extrapolate: bool = True) -> None:
        """`fraction` of the work, 0 to 1; it never goes back, because a bar that does is not believed.

        Without `extrapolate`, the label says how much time is left.
        """
        self.fraction = max(self.fraction, min(1.0, fraction))
        filled = round(self.fraction * WIDTH)
        line = f"{self.title} [{'#' * filled}{'.' * (WIDTH - filled)}] {self.fraction:4.0%}"
        elapsed = time.monotonic() - self.started
        if extrapolate and 0.01 < self.fraction < 1 and elapsed > 1:
            line += f"  {duration(elapsed * (1 / self.fraction - 1))} left"
        self._write(f"{line}  {label}".rstrip())

    def _write(self, line: str, final: bool = False) -> None:
        if self.in_place:
            self.stream.write(f"\r\x1b[2K{line[:118]}{chr(10) if final else ''}")
        elif final or time.monotonic() - self.last_log >= LOG_SECONDS:
            self.last_log = time.monotonic()
            self.stream.write(line + "\n")
        self.stream.flush()
