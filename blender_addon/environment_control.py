"""The making of the server's environment, as the main thread sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from ..core.errors import UnderstudyError
from . import server_process, threads, timer
from .environment import Creation, EnvironmentSpec, check
from .messages import EnvironmentFailed, EnvironmentProgress, EnvironmentReady, Message

PAUSE = 0.1


class EnvironmentControl:
    """At most one creation or check at a time. `description` says what the last environment tried has."""

    def __init__(self):
        self.busy = False
        self.fraction = 0.0
        self.description = ""
        self.error: UnderstudyError | None = None
        self._title = ""
        self._line = ""
        self._began = 0.0
        self._creation: Creation | None = None
        self._inbox: SimpleQueue[Message] = SimpleQueue()

    @property
    def text(self) -> str:
        """What is being done: `Installing torch ... · 41 s · Collecting numpy`."""
        parts = (self._title, f"{time.monotonic() - self._began:.0f} s", self._line[:60])
        return " · ".join(filter(None, parts))

    def create(self, spec: EnvironmentSpec, data: Path) -> None:
        """Make it, with the server of the folder `data` stopped: it may run in the one that is replaced."""
        self._creation = creation = Creation(spec, self._inbox.put)

        def work() -> str:
            server_process.stop(data)
            return creation.run()

        self._start(spec.python, work)

    def check(self, python: Path) -> None:
        self._start(python, lambda: check(python))

    @property
    def can_cancel(self) -> bool:
        return self._creation is not None

    def abandon(self) -> None:
        """Stop what is being made, and wait for nothing; the add-on is being unregistered."""
        self.cancel()
        self.busy, self._creation = False, None
        self._inbox = SimpleQueue()  # a new one: what threads still say reaches nobody

    def cancel(self) -> None:
        if self._creation:
            self._creation.cancel()

    def tick(self) -> float | None:
        if timer.drain(self._inbox, self._handle):
            timer.redraw_panels()
        return PAUSE if self.busy else None

    def _start(self, python: Path, work: Callable[[], str]) -> None:
        self.busy, self.error, self.description = True, None, ""
        self._title, self._line, self.fraction = "Looking at it", "", 0.0
        self._began = time.monotonic()
        post = self._inbox.put
        threads.start(
            "making the environment" if self._creation else "trying the environment",
            lambda: post(EnvironmentReady(python, work())),
            lambda error: post(EnvironmentFailed(error)),
        )
        timer.wake(self.tick)

    def _handle(self, message: Message) -> None:
        match message:
            case EnvironmentProgress(stage, stages, title, line):
                self.fraction, self._title, self._line = stage / stages, title, line
            case EnvironmentReady(_, description):
                self.busy, self.description, self._creation = False, description, None
            case EnvironmentFailed(error):
                self.busy, self.error, self._creation = False, error, None


environment = EnvironmentControl()
