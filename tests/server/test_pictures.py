from __future__ import annotations

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from understudy.core.errors import InvalidReference
from understudy.core.protocol import MAX_REFERENCE_BYTES, MAX_REFERENCE_PIXELS
from understudy.core.version import VERSION
from understudy.server.pictures import decode_matte, decode_reference, encode_png, encode_preview


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_becomes_rgb(kind):
    pixels = decode_reference(encoded(Image.new("RGB", (4, 3), (250, 0, 0)), kind), "r")
    assert (pixels.shape, pixels.dtype) == ((3, 4, 3), np.uint8)
    assert np.abs(pixels.astype(int) - (250, 0, 0)).max() < 8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_is_read(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert decode_reference(encoded(Image.new(mode, (4, 3)), kind), "r").shape == (3, 4, 3)


def test_transparent_parts_are_white():
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (10, 20, 30, 255))
    assert decode_reference(encoded(picture), "r").tolist() == [[[255, 255, 255], [10, 20, 30]]]


def test_16_bits_a_grey_pixel_are_scaled_not_clipped():
    picture = Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], np.uint16))
    assert decode_reference(encoded(picture), "r")[0, :, 0].tolist() == [0, 128, 255]


def test_a_photograph_taken_on_its_side_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    assert decode_reference(encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif), "r").shape == (8, 4, 3)


def test_a_picture_just_too_large_is_refused():
    side = 8001
    assert MAX_REFERENCE_PIXELS < side**2 < 1.01 * MAX_REFERENCE_PIXELS
    with pytest.raises(InvalidReference, match="megapixels"):
        decode_reference(encoded(Image.new("1", (side, side))), "r")


def test_a_bomb_is_refused_by_its_header_alone():
    """What would be decoded is no picture at all: had anybody looked at it, the refusal would say so."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"no pixels") + chunk(b"IEND", b"")
    with pytest.raises(InvalidReference, match="megapixels"):
        decode_reference(bomb, "r")


def test_too_many_bytes_are_refused_unread():
    with pytest.raises(InvalidReference, match="MB"):
        decode_reference(bytes(MAX_REFERENCE_BYTES + 1), "r")


@pytest.mark.parametrize("kind", ["BMP", "GIF", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(kind):
    with pytest.raises(InvalidReference, match="not a picture"):
        decode_reference(encoded(Image.new("RGB", (16, 16)), kind), "r")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_cut_off_anywhere_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    whole = encoded(Image.fromarray(noise), kind)
    for length in range(0, len(whole) * 3 // 4, max(1, len(whole) // 40)):
        with pytest.raises(InvalidReference):
            decode_reference(whole[:length], "r")


def test_a_preview_is_small_and_keeps_its_shape():
    pixels = np.zeros((1080, 1920, 3), np.uint8)
    assert Image.open(io.BytesIO(encode_preview(1920, 1080, pixels.tobytes()))).size == (256, 144)
    assert Image.open(io.BytesIO(encode_preview(192, 128, pixels[:128, :192].tobytes()))).size == (192, 128)


def test_a_png_holds_the_pixels_and_says_what_made_it():
    pixels = np.random.default_rng(0).integers(0, 255, (3, 5, 3), np.uint8)
    about = {"settings": {"prompt": "Männlein"}, "clip": "abc"}
    data = encode_png(5, 3, pixels.tobytes(), about)
    picture = Image.open(io.BytesIO(data))
    assert np.array_equal(np.asarray(picture), pixels)
    assert picture.text["Software"] == f"Understudy {VERSION}"
    assert json.loads(picture.text["understudy"]) == about
    assert data == encode_png(5, 3, pixels.tobytes(), dict(reversed(about.items())))


def test_a_matte_is_read_from_pictures_that_have_one():
    picture = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    assert decode_matte(encoded(picture)) is None and decode_matte(encoded(Image.new("RGB", (2, 1)))) is None
    picture.putpixel((0, 0), (10, 20, 30, 64))
    assert decode_matte(encoded(picture)).tolist() == [[64, 255]]
