"""Whether a process is still there, on every system. No bpy."""

from __future__ import annotations

import os
import sys

_QUERY, _STILL_ACTIVE = 0x1000, 259  # PROCESS_QUERY_LIMITED_INFORMATION, STILL_ACTIVE


def is_alive(process: int) -> bool:
    """Whether a process of this number, above 0, runs; whose it is nobody can tell."""
    if process <= 0:
        return False
    if sys.platform == "win32":  # where `os.kill(number, 0)` would interrupt it
        import ctypes

        kernel, status = ctypes.windll.kernel32, ctypes.c_ulong()
        handle = kernel.OpenProcess(_QUERY, False, process)
        kernel.GetExitCodeProcess(handle, ctypes.byref(status))
        kernel.CloseHandle(handle)
        return status.value == _STILL_ACTIVE
    try:
        os.kill(process, 0)
    except PermissionError:
        return True  # somebody else's
    except (ProcessLookupError, OverflowError):
        return False
    return True
