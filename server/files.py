"""What the server does lest the disk run full in the middle of its work."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..core.errors import DiskFull
from ..core.files import write_atomically


def require_space(folder: Path, needed: int) -> None:
    """Raise `DiskFull` unless `needed` bytes are free on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(f"This needs {needed / 2**20:.0f} MB of disk space in {folder}, and {free / 2**20:.0f} MB are free.")


class Ballast:
    """A file that takes up space while all is well, so that giving it back lets state be written on a full disk."""

    SIZE = 4 * 2**20

    def __init__(self, path: Path):
        self._path = path

    def take_on(self) -> None:
        """Fill the file; a disk with no room for it leaves none."""
        if self._path.exists() and self._path.stat().st_size == self.SIZE:
            return
        try:
            # Random, so that a file system that compresses really sets the space aside.
            write_atomically(self._path, os.urandom(self.SIZE))
        except DiskFull:
            self.drop()

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)
