"""Whether anybody still needs this server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

# A panel that is open somewhere asks these every few seconds: that somebody looks is no sign that somebody needs us.
WATCHING = frozenset({"/v1/health", "/v1/engines"})


class Activity:
    """ASGI middleware that knows of requests and open streams, and tells when there have been none for long enough.

    Inside the guard: what that refuses does not count.
    """

    def __init__(self, app: ASGIApp, idle_seconds: float, has_work: Callable[[], bool], stop: Callable[[], None]):
        """`stop` is called after `idle_seconds` without requests or work; 0 means never."""
        self._app = app
        self._idle_seconds = idle_seconds
        self._has_work = has_work
        self._stop = stop
        self._open = 0
        self._last = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") in WATCHING:
            await self._app(scope, receive, send)
            return
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1
            self._last = time.monotonic()

    async def watch(self) -> None:
        while self._idle_seconds:
            await asyncio.sleep(min(self._idle_seconds / 4, 15))
            if self._open or self._has_work():
                self._last = time.monotonic()
            elif time.monotonic() - self._last >= self._idle_seconds:
                self._stop()
                return
