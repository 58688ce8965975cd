"""Keypoints from a JSON file: OpenPose's or COCO-WholeBody, told apart by what is in it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from . import coco_wholebody, openpose_json
from .pixel_sequence import PixelSequence


def read(path: str | os.PathLike, size: tuple[int, int] | None = None) -> PixelSequence:
    """Read a file, or a folder of OpenPose JSON.

    `size` is the canvas of files that do not tell theirs, as OpenPose's own do not. Raises `InvalidClip`.
    """
    return coco_wholebody.read(path) if _is_coco(Path(path)) else openpose_json.read(path, size)


def _is_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # whoever reads it says so
        return False
    return isinstance(content, dict) and "annotations" in content
