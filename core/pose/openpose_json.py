"""Clips as OpenPose JSON 1.3, one file a frame or a list of frames in one, in the dialect that ControlNet's tools read.

Those tools discard every point whose confidence is below 1, and take a file without a number above 1 for normalised to the
canvas; so confidence is exactly 1.0 or 0, and coordinates are pixels. An absent point is 0, 0, 0. ComfyUI passes a clip on as a
list of such frames.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidClip
from ..files import write_atomically
from .clip import PoseClip
from .json_file import load
from .pixel_sequence import PixelSequence
from .skeleton import BODY, FACE, FEET, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND

VERSION = 1.3
_ARRAYS = {
    "pose_keypoints_2d": BODY,
    "foot_keypoints_2d": FEET,  # not OpenPose's, which has feet only in its 25 point body; other readers skip it
    "face_keypoints_2d": FACE,
    "hand_left_keypoints_2d": LEFT_HAND,
    "hand_right_keypoints_2d": RIGHT_HAND,
}
_EMPTY = ("pose_keypoints_3d", "face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d")

# OpenPose's own body of 25 has the middle of the hips after the arms, and the feet at its end.
_BODY_25 = [*range(8), *range(9, 19)]
_FEET_OF_25 = slice(19, 25)


def write(clip: PoseClip, folder: str | os.PathLike) -> list[Path]:
    """Write `folder/frame_000001_keypoints.json` and so on, counted from 1 in the clip's order; the paths.

    Points off the canvas are absent, as a detector would have it. Raises `OSError`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, frame in enumerate(frames(clip), 1):
        path = folder / f"frame_{number:06}_keypoints.json"
        path.write_text(json.dumps(frame), encoding="utf-8")
        paths.append(path)
    return paths


def write_list(clip: PoseClip, path: str | os.PathLike) -> None:
    """Write all frames as one list into one file, whole or not at all: ComfyUI's POSE_KEYPOINT. Raises `OSError`."""
    write_atomically(Path(path), json.dumps(frames(clip)).encode())


def frames(clip: PoseClip) -> list[dict]:
    """The clip's frames as JSON values."""
    return [
        {
            "version": VERSION,
            "canvas_width": clip.width,
            "canvas_height": clip.height,
            "people": [_person(index, points) for index, points in enumerate(people)],
        }
        for people in PixelSequence.of_clip(clip).triples()
    ]


def read(path: str | os.PathLike, size: tuple[int, int] | None = None) -> PixelSequence:
    """Read every `*_keypoints.json` of a folder, in order of name; or one file, of a frame or of a list of frames.

    Arrays that are missing or empty are absent points; bodies of 18 points and OpenPose's own of 25 are read. `size` is the
    canvas of files that do not tell theirs, as OpenPose's own do not. Raises `InvalidClip`.
    """
    path = Path(path)
    paths = [path] if path.is_file() else sorted(path.glob("*_keypoints.json"))
    if not paths:
        raise InvalidClip(f"{path} holds no file *_keypoints.json.", "Choose the folder that the files are in.")
    return parse(((path, load(path)) for path in paths), size)


def parse(contents: Iterable[tuple[Path, Any]], size: tuple[int, int] | None = None) -> PixelSequence:
    """What `read` makes of files, at least one, and the JSON in them."""
    people: list[list[np.ndarray]] = []
    sizes: set[tuple[int, int]] = set()
    for path, content in contents:
        try:
            for frame in content if isinstance(content, list) else [content]:
                canvas = size if size and "canvas_width" not in frame else (frame["canvas_width"], frame["canvas_height"])
                sizes.add((int(canvas[0]), int(canvas[1])))
                people.append([_points(person, canvas) for person in frame["people"]])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise InvalidClip(f"{path} is not readable OpenPose JSON ({type(error).__name__}).") from error
    if len(sizes) != 1:
        raise InvalidClip(f"The frames up to {path} differ in canvas size." if sizes else f"{path} holds no frames.")
    return PixelSequence.of_triples(people, *sizes.pop())


def _person(index: int, points: np.ndarray) -> dict:
    arrays = {name: points[part].ravel().tolist() for name, part in _ARRAYS.items()}
    return {"person_id": [index], **arrays, **{name: [] for name in _EMPTY}}


def _points(person: dict, size: tuple[float, float]) -> np.ndarray:
    """[134, 3] of one person. Raises `ValueError` where an array has not the expected length, or holds no finite numbers."""
    points = np.zeros((KEYPOINT_COUNT, 3), np.float32)
    for name, part in _ARRAYS.items():
        if numbers := person.get(name):
            rows = np.array(numbers, np.float32).reshape(-1, 3)
            if not np.isfinite(rows).all():
                raise ValueError(f"{name} holds NaN or infinity")
            if part == BODY and len(rows) == 25:
                points[FEET], rows = rows[_FEET_OF_25], rows[_BODY_25]
            count = part.stop - part.start
            # A face of 70 points ends with the two pupils.
            if len(rows) != count and not (part == FACE and len(rows) == 70):
                raise ValueError(f"{name} has {len(rows)} points, not {count}")
            points[part] = rows[:count]
    if points[:, :2].max() <= 1:
        points[:, :2] *= size
    return points
