"""Somebody who stands: 1.7 m tall, arms hanging a little outwards, palms to the thighs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import FINGERS, INDEX, KEYPOINT_COUNT

# Of the left half: metres to their left, up from the ground, forward.
_LEFT = {
    "shoulder": (0.17, 1.40, 0.0), "elbow": (0.27, 1.10, 0.0), "wrist": (0.34, 0.86, 0.02), "hip": (0.09, 0.92, 0.0),
    "knee": (0.10, 0.50, 0.01), "ankle": (0.10, 0.08, 0.0), "eye": (0.031, 1.58, 0.10), "ear": (0.08, 1.56, 0.0),
    "big_toe": (0.09, 0.02, 0.18), "small_toe": (0.15, 0.02, 0.15), "heel": (0.10, 0.03, -0.05),
}  # fmt: skip


def standing() -> tuple[np.ndarray, np.ndarray]:
    """Points f64 [134, 3]: to the left of the person, up, forward, from the ground; and which there are, bool [134]."""
    points, there = np.zeros((KEYPOINT_COUNT, 3)), np.zeros(KEYPOINT_COUNT, bool)

    def put(name: str, *spot: float) -> None:
        points[INDEX[name]], there[INDEX[name]] = spot, True

    put("nose", 0, 1.54, 0.13)
    put("neck", 0, 1.40, 0)
    for name, (left, up, forward) in _LEFT.items():
        put(f"left_{name}", left, up, forward)
        put(f"right_{name}", -left, up, forward)
    for side, sign in (("left", 1), ("right", -1)):
        put(f"{side}_hand_wrist", sign * 0.34, 0.86, 0.02)
        for number, finger in enumerate(FINGERS):
            forward = 0.06 - 0.02 * number  # the thumb is in front
            for joint in (1, 2, 3, 4):
                put(f"{side}_hand_{finger}_{joint}", sign * 0.35, 0.86 - 0.05 - 0.025 * joint, forward)
    return points, there


@pytest.fixture
def film() -> Callable[..., PoseClip]:
    """Makes a clip of the standing person, 4 m away, one frame for each of the angles that they turn by."""

    def make(*turns: float, tilt: float = 0, change: Callable[[np.ndarray], None] | None = None, size=(256, 384)) -> PoseClip:
        """`turns` to their left and `tilt` towards the camera, degrees; `change` alters the points [134, 3] before that."""
        points, there = standing()
        if change:
            change(points)
        width, height = size
        frames = []
        for turn in turns:
            left, up, forward = (points - (0, 0.85, 0)).T
            cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
            left, forward = cosine * left + sine * forward, cosine * forward - sine * left
            cosine, sine = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
            up, forward = cosine * up - sine * forward, cosine * forward + sine * up
            frames.append(np.stack([left, -up, 4 - forward], -1))  # they look at the camera: their left is its right
        count = len(turns)
        focal = height * 1.8
        lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], np.float32)
        return PoseClip(
            np.float32(frames)[:, None], np.tile(there, (count, 1, 1)), np.tile(lens, (count, 1, 1)), np.zeros(count, bool),
            np.arange(count, dtype=np.int32), 24.0, width, height, ("somebody",),
        )  # fmt: skip

    return make
