"""Clips as COCO-WholeBody JSON: one file, a picture a frame, an annotation a person and picture.

Body in COCO's order of 17 points, without a neck; feet, face and hands in arrays of their own. The third number of a point is
2 where it is present, else 0, and so are the other two. Frames are `frame_000001.png` and so on; `track_id` tells the people
apart.
Described in Jin et al., Whole-Body Human Pose Estimation in the Wild (2020).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidClip
from ..files import write_atomically
from .clip import PoseClip
from .json_file import load
from .pixel_sequence import PixelSequence
from .skeleton import FACE, FEET, INDEX, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND

_BODY_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
_BODY = [INDEX[name] for name in _BODY_NAMES]
_SHOULDERS = [INDEX["left_shoulder"], INDEX["right_shoulder"]]
_PARTS = {"foot": FEET, "face": FACE, "lefthand": LEFT_HAND, "righthand": RIGHT_HAND}
_WHOLE = 133  # detectors write all points into one array: body, feet, face, hands
_SKELETON = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10), (9, 11),
    (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip
_VISIBLE = 2


def write(clip: PoseClip, path: str | os.PathLike) -> None:
    """Write the file, whole or not at all. Points off the canvas are absent. Raises `DiskFull` and `OSError`."""
    sequence = PixelSequence.of_clip(clip)
    triples = sequence.triples()
    triples[..., 2] *= _VISIBLE
    pictures = [
        {"id": number, "file_name": f"frame_{number:06}.png", "width": clip.width, "height": clip.height}
        for number in range(1, len(clip) + 1)
    ]
    annotations = [
        {"id": frame * len(clip.people) + person + 1, "image_id": frame + 1, **_annotation(person, triples[frame, person])}
        for frame in range(len(clip))
        for person in range(len(clip.people))
        if sequence.present[frame, person].any()
    ]
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": _BODY_NAMES, "skeleton": _SKELETON}
    content = {"images": pictures, "annotations": annotations, "categories": [category]}
    write_atomically(Path(path), json.dumps(content).encode())


def read(path: str | os.PathLike) -> PixelSequence:
    """Read a file's pictures in order of their numbers; the necks are put between the shoulders.

    People are told apart by `track_id`, else by their order in each picture. Annotations whose `keypoints` hold all 133 points,
    as detectors write them, are read too. Raises `InvalidClip`.
    """
    return parse(load(Path(path)), path)


def parse(content: Any, path: str | os.PathLike) -> PixelSequence:
    """What `read` makes of the JSON in the file `path`, which errors name."""
    try:
        pictures = sorted(content["images"], key=lambda picture: picture["id"])
        frame_of = {picture["id"]: number for number, picture in enumerate(pictures)}
        sizes = {(int(picture["width"]), int(picture["height"])) for picture in pictures}
        people: list[dict[int, np.ndarray]] = [{} for _ in pictures]
        for annotation in content["annotations"]:
            frame = people[frame_of[annotation["image_id"]]]
            frame[int(annotation.get("track_id", len(frame)))] = _points(annotation)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidClip(f"{path} is not readable COCO-WholeBody JSON ({type(error).__name__}: {error}).") from error
    if len(sizes) != 1:
        raise InvalidClip(f"The pictures of {path} differ in size." if sizes else f"{path} holds no pictures.")
    tracks = sorted(set().union(*people))
    absent = np.zeros((KEYPOINT_COUNT, 3), np.float32)
    return PixelSequence.of_triples([[frame.get(track, absent) for track in tracks] for frame in people], *sizes.pop())


def _annotation(person: int, points: np.ndarray) -> dict:
    """Of the keypoints [134, 3] of one person, who has one at least."""
    present = points[points[:, 2] > 0, :2]
    (left, top), (width, height) = present.min(axis=0).tolist(), np.ptp(present, axis=0).tolist()
    body = points[_BODY]
    return {
        "category_id": 1,
        "iscrowd": 0,
        "track_id": person,
        "bbox": [left, top, width, height],
        "area": width * height,
        "num_keypoints": int((body[:, 2] > 0).sum()),
        "keypoints": body.ravel().tolist(),
        **{f"{name}_kpts": points[part].ravel().tolist() for name, part in _PARTS.items()},
        **{f"{name}_valid": bool((points[part, 2] > 0).any()) for name, part in _PARTS.items()},
    }


def _points(annotation: dict) -> np.ndarray:
    """[134, 3] of one annotation. Raises `ValueError` where an array is of another length, or not of finite numbers."""
    arrays = {"keypoints": np.array(annotation["keypoints"], np.float32).reshape(-1, 3)}
    if len(arrays["keypoints"]) == _WHOLE:
        start = len(_BODY)
        for name, part in _PARTS.items():
            arrays[name] = arrays["keypoints"][start : (start := start + part.stop - part.start)]
        arrays["keypoints"] = arrays["keypoints"][: len(_BODY)]
    else:
        for name in _PARTS:
            arrays[name] = np.array(annotation.get(f"{name}_kpts") or [], np.float32).reshape(-1, 3)
    points = np.zeros((KEYPOINT_COUNT, 3), np.float32)
    for name, rows in arrays.items():
        target = _BODY if name == "keypoints" else list(range(_PARTS[name].start, _PARTS[name].stop))
        if not np.isfinite(rows).all():
            raise ValueError(f"{name} holds NaN or infinity")
        if len(rows) == len(target):
            points[target] = rows
        elif len(rows) or name == "keypoints":
            raise ValueError(f"{name} has {len(rows)} points, not {len(target)}")
    if (points[_SHOULDERS, 2] > 0).all():
        points[INDEX["neck"]] = points[_SHOULDERS].mean(axis=0)
    return points
