"""Work off Blender's main thread. No bpy."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

from ..core.errors import JobFailed, UnderstudyError


def start(name: str, work: Callable[[], None], fail: Callable[[UnderstudyError], None]) -> None:
    """Run `work` on a daemon thread. Whatever it raises reaches `fail`, so that nobody waits for a dead thread."""

    def run() -> None:
        try:
            work()
        except UnderstudyError as error:
            fail(error)
        except Exception as error:
            traceback.print_exc()
            fail(JobFailed(f"{name} failed: {type(error).__name__}: {error}.", "Please report it, with Blender's console."))

    threading.Thread(target=run, name=f"Understudy: {name}", daemon=True).start()
