"""`PoseClip`, the one currency: T frames of P people's keypoints in camera space. Stored as one `.npz`, no pickles."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InvalidClip
from ..files import write_atomically
from .camera import project
from .skeleton import KEYPOINT_COUNT

FORMAT = 1
MAX_BYTES = 2**30
_ARRAYS = {"points_cam", "intrinsics", "visible", "frames", "orthographic"}

# What zipfile, its decompressors, numpy and json raise on damaged or hostile files. RuntimeError: encrypted; MemoryError:
# an array's header that claims to be huge.
_UNREADABLE = (
    ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, MemoryError, OverflowError,
    zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class PoseClip:
    """A pose sequence, as seen by one (moving) camera. Pixels are derived (`pixels()`), never stored.

    points_cam    float32 [T, P, 134, 3]  camera space, metres: x right, y down, z forward; NaN-free, also where not visible
    visible       bool    [T, P, 134]     False: the keypoint is absent, its coordinates mean nothing
    intrinsics    float32 [T, 3, 3]       pixels; for an orthographic frame the scale is pixels a metre and z is not divided by
    orthographic  bool    [T]
    frames        int32   [T]             scene frame numbers
    fps           float                   scene frames a second
    width, height int                     pixels of the picture the intrinsics describe
    people        names, one a person, unique
    source        where it came from: {"file", "rigs", "confidence", ...}, JSON values only
    """

    points_cam: np.ndarray
    visible: np.ndarray
    intrinsics: np.ndarray
    orthographic: np.ndarray
    frames: np.ndarray
    fps: float
    width: int
    height: int
    people: tuple[str, ...]
    source: dict = field(default_factory=dict)

    def __post_init__(self):
        frames, people = len(self.frames), len(self.people)
        expected = {
            "points_cam": ((frames, people, KEYPOINT_COUNT, 3), np.float32),
            "visible": ((frames, people, KEYPOINT_COUNT), np.bool_),
            "intrinsics": ((frames, 3, 3), np.float32),
            "orthographic": ((frames,), np.bool_),
            "frames": ((frames,), np.int32),
        }
        if not frames or not people:
            raise InvalidClip("The clip has no frames." if not frames else "The clip has no people.")
        for name, (shape, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise InvalidClip(f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}.")
        for name in ("points_cam", "intrinsics"):
            bad = ~np.isfinite(getattr(self, name))
            if bad.any():
                frame = int(self.frames[np.argwhere(bad)[0][0]])
                raise InvalidClip(f"{name} holds NaN or infinity, first at scene frame {frame}.")
        if len(set(self.people)) != people:
            raise InvalidClip("Two people of the clip have the same name.", "Rename one of the armatures.")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise InvalidClip(f"The frame rate {self.fps} is not positive.")
        if not (1 <= self.width <= 65536 and 1 <= self.height <= 65536):
            raise InvalidClip(f"The picture size {self.width} x {self.height} is out of range.")

    def __len__(self) -> int:
        return len(self.frames)

    def pixels(self, width: int | None = None, height: int | None = None) -> np.ndarray:
        """Keypoints in pixels [T, P, 134, 2], y down, of this clip's picture, or fitted into `width` x `height`.

        Another aspect keeps the whole picture: scaled to fit, centred.
        """
        points = project(self.points_cam, self.intrinsics, self.orthographic)
        if width is None or height is None:
            return points
        scale = min(width / self.width, height / self.height)
        offset = np.array([width - self.width * scale, height - self.height * scale]) / 2
        return (points * scale + offset).astype(np.float32)

    def drawable(self) -> np.ndarray:
        """Which keypoints can be drawn, bool [T, P, 134]: visible and in front of the camera."""
        in_front = (self.points_cam[..., 2] > 1e-4) | self.orthographic[:, None, None]
        return self.visible & in_front

    def select(self, frames: slice | np.ndarray | list[int]) -> PoseClip:
        """The same clip with only these frames (indices, not scene frame numbers)."""
        picked: dict[str, Any] = {name: np.ascontiguousarray(getattr(self, name)[frames]) for name in _ARRAYS}
        return dataclasses.replace(self, **picked)

    def digest(self) -> str:
        """SHA-256 over everything that shapes a picture (not `source`): equal digests, equal pictures."""
        sha = hashlib.sha256(json.dumps([FORMAT, self.fps, self.width, self.height, self.people]).encode())
        for name in sorted(_ARRAYS):
            sha.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return sha.hexdigest()

    def to_bytes(self) -> bytes:
        header = {
            "format": FORMAT, "fps": self.fps, "width": self.width, "height": self.height,
            "people": list(self.people), "source": self.source,
        }  # fmt: skip
        buffer = io.BytesIO()
        header_bytes = np.frombuffer(json.dumps(header).encode(), np.uint8)
        np.savez_compressed(buffer, header=header_bytes, **{name: getattr(self, name) for name in sorted(_ARRAYS)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> PoseClip:
        return cls._read(io.BytesIO(data), "The clip")

    def save(self, path: str | os.PathLike) -> None:
        """Write the `.npz`, whole or not at all. Raises `DiskFull`, and `OSError` where it cannot be written."""
        write_atomically(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike) -> PoseClip:
        try:
            with Path(path).open("rb") as stream:
                return cls._read(stream, str(path))
        except OSError as error:
            raise InvalidClip(f"{path} cannot be read: {error.strerror}.") from error

    @classmethod
    def _read(cls, stream: BinaryIO, what: str) -> PoseClip:
        try:
            with zipfile.ZipFile(stream) as archive:
                entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
                raise InvalidClip(f"{what} is compressed by a method that numpy does not write.")
            if size > MAX_BYTES:
                raise InvalidClip(f"{what} unpacks to {size / 2**20:.0f} MB, more than {MAX_BYTES / 2**20:.0f}.")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as archive:
                if missing := (_ARRAYS | {"header"}) - set(archive.files):
                    raise InvalidClip(f"{what} lacks {', '.join(sorted(missing))}: it is not an Understudy clip.")
                arrays = {name: archive[name] for name in _ARRAYS}
                header = json.loads(archive["header"].tobytes())
            if header["format"] != FORMAT:
                raise InvalidClip(f"{what} has format {header['format']}, this version reads {FORMAT}.", "Update Understudy.")
            return cls(
                **arrays, fps=float(header["fps"]), width=int(header["width"]), height=int(header["height"]),
                people=tuple(map(str, header["people"])), source=dict(header["source"]),
            )  # fmt: skip
        except _UNREADABLE as error:
            raise InvalidClip(f"{what} is not a readable .npz clip ({type(error).__name__}).") from error
