"""Clips as a folder of OpenPose JSON 1.3, one file a frame, in the dialect that ControlNet's tools read.

Those tools discard every point whose confidence is below 1, and take a file without a number above 1 for normalised to the
canvas; so confidence is exactly 1.0 or 0, and coordinates are pixels. An absent point is 0, 0, 0.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InvalidClip
from .clip import PoseClip
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


@dataclass(frozen=True)
class OpenPoseSequence:
    """What OpenPose JSON holds of a clip.

    pixels   float32 [T, P, 134, 2], y down
    present  bool [T, P, 134]
    """

    pixels: np.ndarray
    present: np.ndarray
    width: int
    height: int


def write(clip: PoseClip, folder: str | os.PathLike) -> list[Path]:
    """Write `folder/frame_000001_keypoints.json` and so on, counted from 1 in the clip's order; the paths.

    Points off the canvas are absent, as a detector would have it. Raises `OSError`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pixels = clip.pixels()  # [T, P, 134, 2]
    on_canvas = ((pixels >= 0) & (pixels < [clip.width, clip.height])).all(axis=-1)
    present = clip.drawable() & on_canvas
    triples = np.concatenate([np.round(pixels.astype(float), 3), np.ones_like(pixels[..., :1])], axis=-1)
    triples = np.where(present[..., None], triples, 0.0)  # [T, P, 134, 3]
    paths = []
    for number, people in enumerate(triples, 1):
        path = folder / f"frame_{number:06}_keypoints.json"
        content = {
            "version": VERSION,
            "canvas_width": clip.width,
            "canvas_height": clip.height,
            "people": [_person(index, points) for index, points in enumerate(people)],
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        paths.append(path)
    return paths


def read(folder: str | os.PathLike) -> OpenPoseSequence:
    """Read every `*_keypoints.json` of `folder`, in order of name; arrays that are missing or empty are absent points.

    Raises `InvalidClip`.
    """
    folder = Path(folder)
    paths = sorted(folder.glob("*_keypoints.json"))
    if not paths:
        raise InvalidClip(f"{folder} holds no file *_keypoints.json.", "Choose the folder that the files are in.")
    frames, sizes = [], set()
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            size = int(content["canvas_width"]), int(content["canvas_height"])
            frames.append([_points(person, size) for person in content["people"]])
            sizes.add(size)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidClip(f"{path} is not readable OpenPose JSON ({type(error).__name__}).") from error
    if len(sizes) > 1:
        raise InvalidClip(f"The frames in {folder} differ in canvas size.")
    people = max(map(len, frames))
    triples = np.zeros((len(frames), people, KEYPOINT_COUNT, 3), np.float32)
    for frame, persons in zip(triples, frames, strict=True):
        for index, points in enumerate(persons):
            frame[index] = points
    return OpenPoseSequence(triples[..., :2], triples[..., 2] > 0, *sizes.pop())


def _person(index: int, points: np.ndarray) -> dict:
    arrays = {name: points[part].ravel().tolist() for name, part in _ARRAYS.items()}
    return {"person_id": [index], **arrays, **{name: [] for name in _EMPTY}}


def _points(person: dict, size: tuple[int, int]) -> np.ndarray:
    """[134, 3] of one person. Raises `ValueError` where an array has not the expected length."""
    points = np.zeros((KEYPOINT_COUNT, 3), np.float32)
    for name, part in _ARRAYS.items():
        if numbers := person.get(name):
            count = part.stop - part.start
            # A face of 70 points ends with the two pupils, a body of 25 is another skeleton.
            rows = np.array(numbers, np.float32).reshape(-1, 3)
            if len(rows) != count and not (part == FACE and len(rows) == 70):
                raise ValueError(f"{name} has {len(rows)} points, not {count}")
            points[part] = rows[:count]
    if points[:, :2].max() <= 1:
        points[:, :2] *= size
    return points
