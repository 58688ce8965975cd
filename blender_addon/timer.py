"""The one timer that carries messages from threads to Blender's main thread. It runs only while somebody waits for some."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from queue import Empty, SimpleQueue

import bpy

from .messages import Message

DRAIN_SECONDS = 0.004

Ticker = Callable[[], float | None]
"""Do a little; the seconds until the next call, or None when there is nothing left to wait for."""

_tickers: dict[Ticker, None] = {}


def wake(ticker: Ticker) -> None:
    """Call `ticker` from the timer until it returns None. In background mode Blender runs no timers: use `wait`."""
    _tickers[ticker] = None
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        # Persistent: opening another file must not strand a running take.
        bpy.app.timers.register(_tick, first_interval=0.0, persistent=True)


def wait(ticker: Ticker) -> None:
    """Call `ticker` until it is done, blocking."""
    while (pause := ticker()) is not None:
        time.sleep(pause)
    _tickers.pop(ticker, None)


def stop() -> None:
    _tickers.clear()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)


def drain(inbox: SimpleQueue[Message], handle: Callable[[Message], None]) -> bool:
    """Handle what has arrived, for `DRAIN_SECONDS` at most; whether there was anything."""
    deadline = time.perf_counter() + DRAIN_SECONDS
    handled = False
    while time.perf_counter() < deadline:
        try:
            message = inbox.get_nowait()
        except Empty:
            break
        handle(message)
        handled = True
    return handled


def redraw_panels() -> None:
    """Draw the sidebars of the 3D views, and the preferences, again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
            elif area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def _tick() -> float | None:
    pauses = []
    for ticker in list(_tickers):
        try:
            pause = ticker()
        except Exception:  # let through, it would stop the timer for the others too
            traceback.print_exc()
            pause = None
        if pause is None:
            _tickers.pop(ticker, None)
        else:
            pauses.append(pause)
    return min(pauses, default=None)
