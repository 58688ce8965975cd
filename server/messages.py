"""Everything that server and worker say to each other, and the pipe it goes through.

A message is a length-prefixed JSON header, then raw bytes (the pixels of a picture). No pickles: a worker that runs somebody
else's weights must not be able to make its server run code.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import threading
from dataclasses import dataclass
from typing import IO, Any


@dataclass(frozen=True)
class Generate:
    """To the worker: draw this job. Paths are the server's own; `settings` is `GenerationSettings.to_json()`, `weights` the
    folder with one of each engine's in it; the first `drawn` frames are there already."""

    job: str
    clip: str
    references: list[str]
    settings: dict[str, Any]
    weights: str
    checkpoint: str | None
    drawn: int = 0


@dataclass(frozen=True)
class Cancel:
    """To the worker: stop this job at its next sign of progress. Nothing if it is over already."""

    job: str


@dataclass(frozen=True)
class Ready:
    """From the worker, once: torch is there, and computes on `device`, in `precision` unless the settings say otherwise.

    `precision` is "" where there is no such device.
    """

    device: str
    precision: str


@dataclass(frozen=True)
class Step:
    step: int
    steps: int


@dataclass(frozen=True)
class Note:
    """What people should know of how the job goes: one sentence without its full stop."""

    text: str


@dataclass(frozen=True)
class Picture:
    """uint8 RGB or RGBA pixels, rows top down."""

    width: int
    height: int
    pixels: bytes


@dataclass(frozen=True)
class Preview(Picture):
    step: int


@dataclass(frozen=True)
class Frame(Picture):
    index: int


@dataclass(frozen=True)
class Finished:
    """The job's last message: every frame has been sent."""


@dataclass(frozen=True)
class Failed:
    """The job's last message, instead: `error` is `UnderstudyError.to_json()`, `Cancelled` among them."""

    error: dict[str, str]


Message = Generate | Cancel | Ready | Step | Note | Preview | Frame | Finished | Failed
_KINDS: dict[str, type] = {kind.__name__: kind for kind in Message.__args__}
_PREFIX = struct.Struct("<II")  # bytes of header, bytes of pixels


class Pipe:
    """One end of the conversation, over two binary streams. Several threads may send; one receives."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes]):
        self._reader = reader
        self._writer = writer
        self._sending = threading.Lock()

    def send(self, message: Message) -> None:
        """Raises `BrokenPipeError` when the other side is gone."""
        fields = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
        pixels = fields.pop("pixels", b"")
        header = json.dumps([type(message).__name__, fields]).encode()
        with self._sending:
            self._writer.write(_PREFIX.pack(len(header), len(pixels)) + header + pixels)
            self._writer.flush()

    def receive(self) -> Message:
        """The next message; raises `EOFError` when the other side is gone."""
        header_size, pixels_size = _PREFIX.unpack(self._read(_PREFIX.size))
        kind, fields = json.loads(self._read(header_size))
        if issubclass(_KINDS[kind], Picture):
            fields["pixels"] = self._read(pixels_size)
        return _KINDS[kind](**fields)

    def _read(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
