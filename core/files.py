"""Files that are whole or not there: write aside, flush to the disk, rename. A full disk is named. Standard library only."""

from __future__ import annotations

import errno
import getpass
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DiskFull

PART = ".part"
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def full_disk_named(what: str | Path) -> Iterator[None]:
    """Turn the operating system's "no space left" into `DiskFull`, saying what could not be written."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"The disk is full: {what} could not be written.") from error
        raise


def write_atomically(path: Path, data: bytes, private: bool = False) -> None:
    """Write `data` to `path`, whole or not at all, and durably. `private`: for the user's own eyes only.

    Raises `DiskFull`, and `OSError` for what else keeps it from being written; either leaves nothing behind.
    """
    part = path.with_name(path.name + PART)
    with full_disk_named(path):
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(part, flags, 0o600 if private else 0o666), "wb") as stream:
                if private:
                    make_private(part)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(path)
        except BaseException:
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
