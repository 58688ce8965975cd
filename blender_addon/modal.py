"""What a modal operator puts up while it runs, taken down once: at its end, with its window or file, or with the add-on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import bpy


class Stage:
    """Of one modal operator, which runs once at a time."""

    def __init__(self):
        self._take_down: list[Callable[[], object]] = []

    @property
    def running(self) -> bool:
        return bool(self._take_down)

    def put(self, take_down: Callable[[], object]) -> None:
        """Remember how something that was put up is taken down; it is no error where Blender removed it first."""
        self._take_down.append(take_down)

    def draw(self, space: type[bpy.types.Space], function: Callable[[], None]) -> None:
        """Call `function` after each drawing of such a space's main region, in pixels."""
        handler = space.draw_handler_add(function, (), "WINDOW", "POST_PIXEL")  # type: ignore[attr-defined]
        self.put(lambda: space.draw_handler_remove(handler, "WINDOW"))  # type: ignore[attr-defined]

    def close(self) -> None:
        """Take everything down, the last first; nothing where nothing runs."""
        while self._take_down:
            with contextlib.suppress(ReferenceError):
                self._take_down.pop()()


def is_open(window: bpy.types.Window) -> bool:
    """Whether a window that was kept may still be touched."""
    return window in bpy.context.window_manager.windows[:]
