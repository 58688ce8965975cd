"""Placing a person's joints on a picture, one click each. No bpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..core.pose.skeleton import BODY_NAMES, INDEX, KEYPOINT_COUNT

JOINTS = tuple(name for name in BODY_NAMES if name != "neck")  # which lies between the shoulders

Position = tuple[float, float]


class Placing:
    """The joints placed so far, in shares of the picture's width and height from its upper left.

    asked  the joint that the next click places, None where all are
    held   the joint that is being dragged
    """

    def __init__(self, points: Mapping[str, Position]):
        self.points = dict(points)
        self.held: str | None = None
        self._skipped: set[str] = set()
        self._order: list[str] = []

    @property
    def asked(self) -> str | None:
        return next((joint for joint in JOINTS if joint not in self.points and joint not in self._skipped), None)

    def near(self, position: Position, reach: Position) -> str | None:
        """The closest joint within `reach`, shares of width and height."""
        distances = {joint: np.hypot(*(np.subtract(at, position) / reach)) for joint, at in self.points.items()}
        closest = min(distances, key=distances.__getitem__, default=None)
        return closest if closest and distances[closest] <= 1 else None

    def press(self, position: Position, reach: Position) -> None:
        """Take hold of the joint there, else place the one that is asked for."""
        self.held = self.near(position, reach) or self.asked
        if self.held and self.held not in self.points:
            self._order.append(self.held)
        self.drag(position)

    def drag(self, position: Position) -> None:
        if self.held:
            x, y = np.clip(position, 0, 1).tolist()
            self.points[self.held] = (x, y)

    def release(self) -> None:
        self.held = None

    def skip(self) -> None:
        """Leave out the joint that is asked for: it cannot be seen."""
        if self.asked:
            self._skipped.add(self.asked)

    def take_back(self) -> None:
        """Remove what was placed last, and ask for it again."""
        if self._order:
            self.points.pop(self._order.pop(), None)

    def remove(self, joint: str) -> None:
        self.points.pop(joint, None)


def keypoints(points: Mapping[str, Position]) -> tuple[np.ndarray, np.ndarray]:
    """Placed joints as keypoints [134, 2], and which there are [134]; the neck between the shoulders."""
    positions, placed = np.zeros((KEYPOINT_COUNT, 2)), np.zeros(KEYPOINT_COUNT, bool)
    for joint, position in points.items():
        positions[INDEX[joint]], placed[INDEX[joint]] = position, True
    shoulders = [INDEX["right_shoulder"], INDEX["left_shoulder"]]
    if placed[shoulders].all():
        positions[INDEX["neck"]], placed[INDEX["neck"]] = positions[shoulders].mean(axis=0), True
    return positions, placed
