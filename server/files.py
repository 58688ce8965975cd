"""Files that are whole or not there: write aside, flush to the disk, rename. And what to do when the disk is full."""

from __future__ import annotations

import errno
import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import DiskFull

PART = ".part"
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def full_disk_named(what: str) -> Iterator[None]:
    """Turn the operating system's "no space left" into `DiskFull`, saying what could not be written."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"The disk is full: {what} could not be written.") from error
        raise


def write_atomically(path: Path, data: bytes, private: bool = False) -> None:
    """Write `data` to `path`, whole or not at all, and durably. `private`: for the user's own eyes only.

    Raises `DiskFull`, leaving nothing behind.
    """
    part = path.with_name(path.name + PART)
    with full_disk_named(path.name):
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(part, flags, 0o600 if private else 0o644), "wb") as stream:
                if private:
                    make_private(part)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def make_private(path: Path) -> None:
    """Leave access to `path` to its owner alone, also where it existed with a wider mode."""
    if sys.platform == "win32":
        # Windows has no mode bits: drop the inherited entries of the access list and keep one for this user.
        command = ["icacls", str(path), "/inheritance:r", "/grant:r", f"{getpass.getuser()}:F"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        path.chmod(0o600)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable. Windows cannot open a folder, and its NTFS journals renames itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
