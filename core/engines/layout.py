"""The files of a published checkpoint: which there must be in an engine's folder, and whether they are what they seem.

Without torch, and without reading a file whole: the server looks here before it queues a job.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import InvalidWeights

SUFFIXES = (".safetensors", ".pth", ".bin", ".ckpt")  # the first that is there is read
PICKLES = SUFFIXES[1:]
_UNFINISHED = (".part", ".incomplete", ".crdownload", ".aria2", ".download")
_LFS_POINTER = b"version https://git-lfs"
_HEADER_LIMIT = 100_000_000  # bytes; safetensors' own


@dataclass(frozen=True)
class WeightsFile:
    """A file that an engine needs: `name` is its path below the engine's folder, a checkpoint's without suffix.

    Several names are other places for the same file, in the order they are looked at. `source` says where it is published.
    `optional`: the engine can do without it.
    """

    names: tuple[str, ...]
    source: str
    megabytes: int = 0
    optional: bool = False


def find(folder: Path, *names: str) -> Path:
    """The file of the first of `names` that is in `folder`, or beside it: what several engines share need not be there twice.

    Raises `InvalidWeights` where there is none.
    """
    if path := seek(folder, *names):
        return path
    wanted = folder / names[0]
    for path in _candidates(wanted):
        if begun := _unfinished(path):
            raise InvalidWeights(f"{path} is only half downloaded ({begun.name} is there).", "Finish the download.")
    shown = f"{wanted} ({', '.join(SUFFIXES)})" if _candidates(wanted) != [wanted] else str(wanted)
    raise InvalidWeights(f"{shown} is missing.", "Put the published files into that folder.")


def seek(folder: Path, *names: str) -> Path | None:
    """The same, or None."""
    places = (path for name in names for root in (folder, folder.parent) for path in _candidates(root / name))
    return next((path for path in places if path.is_file()), None)


def _candidates(path: Path) -> list[Path]:
    return [path] if path.suffix in (*SUFFIXES, ".json") else [path.with_name(path.name + suffix) for suffix in SUFFIXES]


def _unfinished(path: Path) -> Path | None:
    marks = (path.with_name(path.name + suffix) for suffix in _UNFINISHED)
    return next((mark for mark in marks if mark.exists()), None)


def lacking(folder: Path, files: Sequence[WeightsFile]) -> list[str]:
    """What keeps the `files` in `folder` from being loaded, one sentence for each file that is missing or cannot be right."""
    found = []
    for file in files:
        if file.optional and seek(folder, *file.names) is None:
            continue
        try:
            examine(find(folder, *file.names))
        except InvalidWeights as error:
            size = f" ({file.megabytes:,} MB)" if file.megabytes else ""
            found.append(f"{error.message} It is published at {file.source}{size}.")
    return found


def examine(path: Path) -> None:
    """Raise `InvalidWeights` where `path` shows at its ends not to be the whole checkpoint that its name says."""
    if begun := _unfinished(path):
        raise InvalidWeights(f"{path} is only half downloaded ({begun.name} is there).", "Finish the download.")
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
            if not head:
                raise InvalidWeights(f"{path} is empty.")
            if head.startswith(_LFS_POINTER):
                raise InvalidWeights(
                    f"{path} is a pointer of Git LFS, not the file it stands for.", "Run `git lfs pull` in that folder."
                )
            if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
                raise InvalidWeights(f"{path} is a web page, not a checkpoint.", "Download the file itself, not its page.")
            if path.suffix == ".safetensors":
                _examine_safetensors(path, stream, head)
            elif path.suffix in PICKLES and head.startswith(b"PK") and not zipfile.is_zipfile(stream):
                raise InvalidWeights(f"{path} is truncated: the end of the archive is not there.")
    except FileNotFoundError as error:
        raise InvalidWeights(f"{path} is missing.", "Put the published file there.") from error
    except OSError as error:
        raise InvalidWeights(f"{path} cannot be read: {error.strerror}.", "Put the published file there.") from error


def _examine_safetensors(path: Path, stream: BinaryIO, head: bytes) -> None:
    size = stream.seek(0, 2)
    stream.seek(8)
    length = int.from_bytes(head[:8], "little")
    is_long = length > _HEADER_LIMIT
    if head.startswith(b"PK\x03\x04") or (is_long and head.startswith(b"\x80")):  # lengths can begin with that byte too
        raise InvalidWeights(
            f"{path} is a pickle under the name of a safetensors file.", "Download the published safetensors file."
        )
    if is_long:
        raise InvalidWeights(f"{path} is not a safetensors file.")
    try:
        entries = json.loads(stream.read(length))
        ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
        expected = 8 + length + max(ends, default=0)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        what = "truncated" if size < 8 + length else "damaged"
        raise InvalidWeights(f"{path} is {what}: its header cannot be read.") from error
    if size != expected:
        raise InvalidWeights(f"{path} is truncated: it has {size:,} bytes of {expected:,}." if size < expected else
                             f"{path} is damaged: it has {size:,} bytes, and its header tells of {expected:,}.")  # fmt: skip
