"""Pictures in and out: references from strangers' bytes, frames to PNG."""

from __future__ import annotations

import io
import json
import struct
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from ..core.errors import InvalidReference
from ..core.protocol import MAX_REFERENCE_BYTES, MAX_REFERENCE_PIXELS, GenerationSettings
from ..core.version import VERSION

_FORMATS = ("PNG", "JPEG", "WEBP")
PREVIEW_SIDE = 256  # pixels, the longer one

# Pillow warns of a picture above its own limit and goes on to decode it. In this process no picture may pass ours,
# and `catch_warnings` around each decode would not be thread-safe.
Image.MAX_IMAGE_PIXELS = MAX_REFERENCE_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


def decode_reference(data: bytes, name: str) -> np.ndarray:
    """The picture in `data` as uint8 [H, W, 3] RGB, upright, transparent parts on white. Raises `InvalidReference`."""
    if len(data) > MAX_REFERENCE_BYTES:
        raise InvalidReference(f"{name} has {len(data) / 2**20:.0f} MB, more than {MAX_REFERENCE_BYTES / 2**20:.0f}.")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            return np.asarray(_on_white(ImageOps.exif_transpose(picture)))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InvalidReference(f"{name} has more than {MAX_REFERENCE_PIXELS / 1e6:.0f} megapixels.") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise InvalidReference(f"{name} is not a picture that can be read ({type(error).__name__}).") from error


def decode_matte(data: bytes) -> np.ndarray | None:
    """How opaque each pixel of a picture is that `decode_reference` can read, uint8 [H, W]; None where all of them are."""
    with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
        if not picture.has_transparency_data:
            return None
        matte = np.asarray(ImageOps.exif_transpose(picture).convert("RGBA"))[..., 3]
    return None if (matte == 255).all() else matte


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16-bit grey: Pillow would clip it to 255, not scale it
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def to_image(width: int, height: int, pixels: bytes) -> Image.Image:
    """uint8 RGB or RGBA `pixels`, rows top down, as a picture."""
    return Image.frombytes("RGBA" if len(pixels) == 4 * width * height else "RGB", (width, height), pixels)


def encode_preview(width: int, height: int, pixels: bytes) -> bytes:
    """PNG of uint8 RGB `pixels`, scaled down to `PREVIEW_SIDE`: panels show it small, and Blender decodes it while it draws."""
    picture = to_image(width, height, pixels)
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return encode_png(picture.width, picture.height, picture.tobytes())


def about_frame(settings: GenerationSettings, clip_digest: str, scene_frame: int) -> dict[str, Any]:
    """What a frame says of itself: with the references, all it takes to draw it again."""
    return {"settings": settings.to_json(), "clip": clip_digest, "frame": scene_frame}


def encode_png(width: int, height: int, pixels: bytes, about: dict[str, Any] | None = None) -> bytes:
    """PNG of uint8 RGB or RGBA `pixels` (rows top down). The same arguments give the same bytes: no times, no ids.

    `about`, JSON values, is kept in the text chunk `understudy`: what made the picture.
    """
    text = PngInfo()
    text.add_text("Software", f"Understudy {VERSION}")
    if about is not None:
        text.add_text("understudy", json.dumps(about, sort_keys=True))
    buffer = io.BytesIO()
    # Level 2 is within 10 % of level 6's size on such frames, at a third of the time.
    to_image(width, height, pixels).save(buffer, "PNG", pnginfo=text, compress_level=2)
    return buffer.getvalue()
