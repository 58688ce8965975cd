"""How a running server is found, and that there is one a data folder: `server.lock` and `server.json`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from ..core.errors import ServerStartFailed
from ..core.files import write_atomically


@dataclass(frozen=True)
class Discovery:
    """What `server.json` says. Whoever can read it can use the server: the file is its owner's alone."""

    url: str
    token: str
    pid: int
    version: str
    protocol: int

    def write(self, data: Path) -> None:
        write_atomically(_file(data), json.dumps(asdict(self), indent=1).encode(), private=True)

    @staticmethod
    def remove(data: Path) -> None:
        _file(data).unlink(missing_ok=True)


def _file(data: Path) -> Path:
    return data / "server.json"


class FolderLock:
    """Held by the one server of a data folder. The operating system lets go of it when the process ends, however it ends."""

    def __init__(self, data: Path):
        """Raises `ServerStartFailed`, saying where the other one is, if it is held."""
        self._stream = (data / "server.lock").open("ab")
        try:
            _lock(self._stream)
        except OSError as error:
            self._stream.close()
            raise ServerStartFailed(
                f"A server already uses {data}{_whereabouts(data)}.", "Use that one, or choose another data folder with --data."
            ) from error

    def release(self) -> None:
        self._stream.close()


def _whereabouts(data: Path) -> str:
    """Where the other server says it is. It may be just starting, with nothing said yet."""
    try:
        found = json.loads(_file(data).read_bytes())
        return f": {found['url']}, process {found['pid']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _lock(stream: BinaryIO) -> None:
    """Take the lock or raise `OSError` at once."""
    if sys.platform == "win32":
        import msvcrt

        stream.seek(0)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
