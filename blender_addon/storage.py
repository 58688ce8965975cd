"""Files that Understudy writes: whole or not at all, and never over an earlier take. No bpy; called from threads."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import DiskFull, JobFailed
from ..core.files import full_disk_named, write_atomically


def save(path: Path, data: bytes) -> None:
    """Write `data`, whole or not at all. Raises `DiskFull`, or `JobFailed` where it cannot be written."""
    with _errors_named(path):
        write_atomically(path, data)


def require_space(folder: Path, needed: int) -> None:
    """Raise `DiskFull` unless `needed` bytes are free on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(f"The take may need {needed / 2**20:.0f} MB in {folder}, and {free / 2**20:.0f} MB are free.")


def make_folder(parent: Path, name: str) -> Path:
    """A new folder in `parent`, `name` or `name-2`, `name-3` ...: one that did not exist."""
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            with _errors_named(folder):
                folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1


def take_folder_name(take: str, key: str) -> str:
    """`Walk cycle` and a unique key make `Walk_cycle-1f3a9c2e`: safe on every file system."""
    return f"{file_name(take, 'take')}-{key[:8]}"


def file_name(name: str, otherwise: str) -> str:
    """`name` without what some file system refuses, or `otherwise` where nothing is left."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:80] or otherwise


@contextlib.contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """Say of the operating system's errors what they keep from being written; that a file exists is for the caller."""
    try:
        with full_disk_named(path):
            yield
    except FileExistsError:
        raise
    except OSError as error:
        raise JobFailed(
            f"{path} cannot be written: {error.strerror}.", "Choose another folder for takes in the add-on's preferences."
        ) from error
