"""The pose of the person in a reference picture, kept in the picture's own file: a private chunk of the PNG.

The chunk is marked as unsafe to copy (PNG specification, 4.7.2 "Chunk naming conventions"): a program that changes the pixels
drops it, and the picture is then one like any other, whose joints are not known.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from ..errors import InvalidClip, InvalidReference
from .clip import PoseClip

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK = b"usPS"
_MOST = 2**20  # bytes; a pose takes a few thousand


def with_pose(png: bytes, pose: PoseClip) -> bytes:
    """The picture with the one-frame clip `pose` of the person in it. Raises `InvalidReference` where it is no PNG."""
    kept, end = [], b""
    for kind, whole in _chunks(png):
        if kind == b"IEND":
            end = whole
        elif kind != _CHUNK:
            kept.append(whole)
    if not end:
        raise InvalidReference("A pose can be kept only in a whole PNG.")
    data = pose.to_bytes()
    chunk = struct.pack(">I", len(data)) + _CHUNK + data + struct.pack(">I", zlib.crc32(_CHUNK + data))
    return _SIGNATURE + b"".join(kept) + chunk + end


def pose_in(picture: bytes) -> PoseClip | None:
    """The pose that `with_pose` put into a picture file; None where there is none. Raises `InvalidReference` if damaged."""
    for kind, whole in _chunks(picture):
        if kind != _CHUNK:
            continue
        if len(whole) > _MOST or zlib.crc32(whole[4:-4]) != struct.unpack(">I", whole[-4:])[0]:
            raise InvalidReference("The pose in the reference picture is damaged.", "Render the reference again.")
        try:
            pose = PoseClip.from_bytes(whole[8:-4])
        except InvalidClip as error:
            raise InvalidReference(f"The pose in the reference picture: {error}", "Render the reference again.") from error
        if len(pose) != 1 or len(pose.people) != 1:
            raise InvalidReference("The reference picture's pose is not that of one person in one frame.")
        return pose
    return None


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and whole bytes of each chunk, as far as they are whole; nothing for other files."""
    if not png.startswith(_SIGNATURE):
        return
    at = len(_SIGNATURE)
    while at + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, at)
        if at + 12 + length > len(png):
            return
        yield png[at + 4 : at + 8], png[at : at + 12 + length]
        at += 12 + length
