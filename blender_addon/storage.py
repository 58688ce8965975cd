"""Files that Understudy writes: whole or not at all, and never over an earlier take. No bpy; called from threads."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from ..core.errors import DiskFull, JobFailed

_NO_SPACE = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def save(path: Path, data: bytes) -> None:
    """Write `data` under a temporary name and rename it. Raises `DiskFull`, or `JobFailed` where it cannot be written."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise _as_job_error(error, path) from error


def make_folder(parent: Path, name: str) -> Path:
    """A new folder in `parent`, `name` or `name-2`, `name-3` ...: one that did not exist."""
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise _as_job_error(error, folder) from error


def take_folder_name(take: str, job: str) -> str:
    """`Walk cycle` and a job's id make `Walk_cycle-1f3a9c2e`: safe on every file system."""
    return f"{file_name(take, 'take')}-{job[:8]}"


def file_name(name: str, otherwise: str) -> str:
    """`name` without what some file system refuses, or `otherwise` where nothing is left."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:80] or otherwise


def _as_job_error(error: OSError, path: Path) -> DiskFull | JobFailed:
    if error.errno in _NO_SPACE:
        return DiskFull(f"There is no space left for {path}.")
    return JobFailed(
        f"{path} cannot be written: {error.strerror}.", "Choose another folder for takes in the add-on's preferences."
    )
