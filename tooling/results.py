"""The demo's pictures for people: the take as a film, and a sheet that sets reference, skeleton and result side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from understudy.core.control.guide import draw_guide
from understudy.core.pose.clip import PoseClip

EVERY = 6  # frames from one column of the sheet to the next
GAP = 6  # pixels between cells
LABEL_WIDTH = 108
CELL_HEIGHT = 256
HEADER_HEIGHT = 26
PAPER, INK = (250, 250, 250), (40, 40, 44)


def read_frames(paths: Sequence[Path]) -> list[np.ndarray]:
    """Pictures as uint8 [H, W, 3] RGB."""
    frames = []
    for path in paths:
        with Image.open(path) as picture:
            frames.append(np.asarray(picture.convert("RGB")))
    return frames


def write_film(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    """H.264, as every player reads it. `frames` are uint8 [H, W, 3] RGB, their sides even."""
    imageio.imwrite(path, np.stack(frames), fps=fps, codec="libx264", quality=8, macro_block_size=2)


def contact_sheet(clip: PoseClip, reference: Path, frames: Sequence[np.ndarray]) -> Image.Image:
    """Three labelled rows, reference, skeleton and result; a column for every sixth frame."""
    tall, wide = frames[0].shape[:2]
    height, width = CELL_HEIGHT, round(wide * CELL_HEIGHT / tall)
    chosen = range(0, len(frames), EVERY)
    points, drawable = clip.pixels(width, height), clip.drawable()
    with Image.open(reference) as picture:
        still = _fitted(picture.convert("RGBA"), width, height)
    font = ImageFont.load_default(15)
    sheet = Image.new("RGB", (LABEL_WIDTH + len(chosen) * (width + GAP), HEADER_HEIGHT + 3 * (height + GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, label in enumerate(("Reference", "Skeleton", "Result")):
        draw.text((12, HEADER_HEIGHT + row * (height + GAP) + height // 2), label, INK, font, anchor="lm")
    for column, index in enumerate(chosen):
        skeleton = draw_guide(points[index], drawable[index], width, height)
        left = LABEL_WIDTH + column * (width + GAP)
        draw.text((left + width // 2, HEADER_HEIGHT // 2), f"frame {clip.frames[index]}", INK, font, anchor="mm")
        result = _fitted(Image.fromarray(frames[index]).convert("RGBA"), width, height)
        for row, cell in enumerate((still, Image.fromarray(skeleton), result)):
            sheet.paste(cell, (left, HEADER_HEIGHT + row * (height + GAP)))
    return sheet


def _fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The whole picture inside `width` x `height`, centred on the paper's colour."""
    scale = min(width / picture.width, height / picture.height)
    small = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.LANCZOS
    )
    cell = Image.new("RGB", (width, height), PAPER)
    cell.paste(small, ((width - small.width) // 2, (height - small.height) // 2), small)
    return cell
