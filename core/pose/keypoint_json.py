"""Keypoints from a JSON file: OpenPose's or COCO-WholeBody, told apart by what is in it."""

from __future__ import annotations

import os
from pathlib import Path

from . import coco_wholebody, openpose_json
from .json_file import load
from .pixel_sequence import PixelSequence


def read(path: str | os.PathLike, size: tuple[int, int] | None = None) -> PixelSequence:
    """Read a file, or a folder of OpenPose JSON.

    `size` is the canvas of files that do not tell theirs, as OpenPose's own do not. Raises `InvalidClip`.
    """
    path = Path(path)
    if path.is_dir():
        return openpose_json.read(path, size)
    content = load(path)
    if isinstance(content, dict) and "annotations" in content:
        return coco_wholebody.parse(content, path)
    return openpose_json.parse([(path, content)], size)
