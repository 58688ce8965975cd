"""What a reference must be before anything is sent, and what the server says to one that only looks like a picture."""

import struct
import zlib

import pytest
from understudy.blender_addon.generation import read_reference
from understudy.core.errors import InvalidReference
from understudy.core.protocol import MAX_REFERENCE_BYTES, GenerationSettings, JobRequest

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return SIGNATURE + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def test_a_missing_reference_is_named_with_its_owner(tmp_path):
    with pytest.raises(InvalidReference, match=r"Ann.*nowhere\.png"):
        read_reference("Ann", tmp_path / "nowhere.png")


def test_a_file_that_is_no_picture_is_refused(tmp_path):
    (tmp_path / "notes.png").write_text("buy milk")
    with pytest.raises(InvalidReference, match=r"Ann is not a picture: notes\.png"):
        read_reference("Ann", tmp_path / "notes.png")


def test_a_huge_file_is_refused_unread(tmp_path):
    with (tmp_path / "huge.png").open("wb") as stream:
        stream.write(SIGNATURE)
        stream.truncate(MAX_REFERENCE_BYTES + 1)
    with pytest.raises(InvalidReference, match="more than 64"):
        read_reference("Ann", tmp_path / "huge.png")


@pytest.mark.parametrize("start", [SIGNATURE, b"\xff\xd8\xff", b"RIFF"])
def test_pictures_of_every_kind_are_read_whole(tmp_path, start):
    (tmp_path / "picture").write_bytes(start + b"rest")
    assert read_reference("Ann", tmp_path / "picture") == start + b"rest"


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path):
    (tmp_path / "huge.png").write_bytes(png_header(40_000, 40_000))
    with pytest.raises(InvalidReference, match="Ann is 40000 x 40000, more than 64 megapixels"):
        read_reference("Ann", tmp_path / "huge.png")


@pytest.mark.parametrize("size", [(64, 64), (40_000, 40_000)])
def test_the_server_refuses_what_only_begins_like_a_picture(client, clip_of, size):
    clip = clip_of("Ann")
    before = client.jobs()
    with pytest.raises(InvalidReference, match="Ann"):
        client.submit(JobRequest(GenerationSettings()), clip.to_bytes(), {"Ann": png_header(*size)}, key=f"header {size}")
    assert client.jobs() == before
