"""From bones to keypoints: every keypoint is a point fixed to one bone. numpy, no bpy.

Where on the bone is found once, in a calibration pose (standing, usually the rest pose), because the axes and tails of bones
mean something else in every rig and every file format. Matrices map bone space (head at the origin, tail along y) to armature
space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .bones.roles import FINGERS, SIDES, Role, sided
from .face import CARRIED, LANDMARKS, POINTS, fitted
from .head import head_keypoints
from .skeleton import FACE, INDEX, KEYPOINT_COUNT

HEAD_POINTS = tuple(INDEX[name] for name in ("nose", "right_eye", "left_eye", "right_ear", "left_ear"))
_HEAD_ROLES = tuple(Role(name) for name in ("nose", "right_eye", "left_eye", "right_ear", "left_ear"))
_SHOULDERS = [INDEX["right_shoulder"], INDEX["left_shoulder"]]
_BODY_JOINTS = {
    "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand", "hip": "thigh", "knee": "shin", "ankle": "foot",
}  # fmt: skip

# Proportions in statures, measured on a CC0 human base mesh.
_ANKLE_HEIGHT = 0.0375
_TOP_ABOVE_HEAD_JOINT, _PLAUSIBLE_TOP = 0.121, (0.07, 0.2)
_EARS_BEFORE_HEAD_JOINT = 0.008
_EARS_IN_HEAD_DEPTH, _PLAUSIBLE_DEPTH = 0.395, (0.08, 0.22)  # share of the way from the back of the head to the nose
_TOE_BEFORE_ANKLE, _PLAUSIBLE_TOE = 0.113, (0.1, 0.15)
_SOLE_BELOW_ANKLE, _HEEL_BEHIND_ANKLE, _SMALL_TOE_SETBACK = 0.035, 0.026, 0.78
_BIG_TOE_INWARD, _SMALL_TOE_OUTWARD = 0.014, 0.022
_TIP_LENGTH, _PLAUSIBLE_TIP = 0.75, (0.5, 1.2)  # of the middle phalanx


@dataclass(frozen=True)
class Posed:
    """The bones that play a role, in one pose of one armature.

    roles     B of them, and parts of the face (`Detection.bones`)
    matrices  [B, 4, 4] bone space to armature space
    lengths   [B] of the bones
    """

    roles: tuple[str, ...]
    matrices: np.ndarray
    lengths: np.ndarray

    def has(self, role: str) -> bool:
        return role in self.roles

    def row(self, role: str) -> int:
        return self.roles.index(role)

    def head(self, role: str) -> np.ndarray:
        return self.matrices[self.row(role), :3, 3]

    def tail(self, role: str) -> np.ndarray:
        row = self.row(role)
        return self.matrices[row, :3, 3] + self.lengths[row] * self.matrices[row, :3, 1]

    def middle(self, part: str) -> np.ndarray:
        left, right = (self.head(sided(side, part)) for side in SIDES)
        return (left + right) / 2

    def stands(self) -> bool:
        """Whether head, hips and feet are in one line and the sides at right angles to it: fit to calibrate on."""
        trunk = self.head("head") - self.middle("thigh")
        legs = self.middle("thigh") - self.middle("foot")
        side = self._across()
        lengths = [np.linalg.norm(vector) for vector in (trunk, legs, side)]
        if min(lengths[:2]) == 0 or lengths[2] < 0.05 * lengths[0]:
            return False
        trunk, legs, side = (vector / length for vector, length in zip((trunk, legs, side), lengths, strict=True))
        return bool(trunk @ legs > 0.8 and abs(side @ trunk) < 0.3)

    def frame(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The body's side (to its left), up and forward, unit vectors [3] in armature space. The pose must stand."""
        up = _unit(self.head("head") - self.middle("thigh"))
        side = self._across()
        side = _unit(side - (side @ up) * up)
        forward = np.cross(side, up)
        if self.has("left_toe") and self.has("right_toe") and (self.middle("toe") - self.middle("foot")) @ forward < 0:
            forward = -forward  # the rig's left and right are swapped; its toes are not
        return side, up, forward

    def _across(self) -> np.ndarray:
        return sum(self.head(f"left_{part}") - self.head(f"right_{part}") for part in ("upper_arm", "thigh"))


@dataclass(frozen=True)
class Attachment:
    """N keypoints fixed to bones.

    keypoints   int [N], numbers in the 134
    rows        int [N], bones, rows of `Posed.matrices`
    offsets     [N, 4] homogeneous, bone space
    head_row    the head's bone
    head_frame  [3, 3] side, up, forward, one a column, in the head's bone space
    stature     height of the person in armature units
    """

    keypoints: np.ndarray
    rows: np.ndarray
    offsets: np.ndarray
    head_row: int
    head_frame: np.ndarray
    stature: float

    @property
    def present(self) -> np.ndarray:
        """bool [134]: which keypoints this rig has."""
        present = np.zeros(KEYPOINT_COUNT, bool)
        present[self.keypoints] = present[INDEX["neck"]] = True
        return present

    def points(self, matrices: np.ndarray, expression: np.ndarray | None = None) -> np.ndarray:
        """Keypoints [T, 134, 3] in the space that `matrices` [T, B, 4, 4] map to; zero where not present.

        `expression` [T, 68, 3] is what shape keys add to the face (`face.expression`).
        """
        points = np.zeros((len(matrices), KEYPOINT_COUNT, 3))
        # Of another precision than the offsets, they would be multiplied at half the speed.
        matrices = matrices.astype(float, copy=False)
        points[:, self.keypoints] = np.einsum("tnij,nj->tni", matrices[:, self.rows, :3], self.offsets)
        points[:, INDEX["neck"]] = points[:, _SHOULDERS].mean(axis=1)
        if expression is not None:
            axes = np.einsum("tij,jk->tki", matrices[:, self.head_row, :3, :3], self.head_frame)
            points[:, FACE] += self.stature * (expression @ axes)
        return points

    def head_directions(self, matrices: np.ndarray) -> np.ndarray:
        """Unit vectors side, up, forward [T, 3, 3], one a row, of the head."""
        directions = np.einsum("tij,jk->tki", matrices[:, self.head_row, :3, :3], self.head_frame)
        return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def attach(rest: Posed, calibration: Posed, head_vertices: np.ndarray | None) -> Attachment:
    """Fix the keypoints to the bones.

    `calibration` must stand. `head_vertices` [V, 3], armature space in the rest pose, are those the head bone moves, or None.
    """
    fixed: list[tuple[int, int, np.ndarray]] = []  # keypoint, row, point in the calibration pose

    def fix(keypoint: str, role: str, point: np.ndarray) -> None:
        fixed.append((INDEX[keypoint], calibration.row(role), point))

    side, up, forward = calibration.frame()
    if head_vertices is not None:
        carry = calibration.matrices[rest.row("head")] @ np.linalg.inv(rest.matrices[rest.row("head")])
        head_vertices = head_vertices @ carry[:3, :3].T + carry[:3, 3]
    top, stature = _head_top(calibration, up, forward, head_vertices)

    face = head_keypoints(top, side, up, forward, stature)
    for keypoint, role, point in zip(HEAD_POINTS, _HEAD_ROLES, face, strict=True):
        if calibration.has(role):
            fixed.append((keypoint, calibration.row(role), calibration.head(role)))
        else:
            fixed.append((keypoint, calibration.row("head"), point))
    fixed += _face(calibration, top, np.stack([side, up, forward]), stature)
    for name in SIDES:
        for joint, part in _BODY_JOINTS.items():
            fix(f"{name}_{joint}", sided(name, part), calibration.head(sided(name, part)))
        _fix_foot(fix, calibration, name, side if name == "left" else -side, up, forward, stature)
        _fix_hand(fix, calibration, name)

    keypoints, rows, points = map(np.array, zip(*fixed, strict=True))
    offsets = np.einsum("nij,nj->ni", np.linalg.inv(calibration.matrices)[rows], np.c_[points, np.ones(len(points))])
    head_row = calibration.row("head")
    frame = np.linalg.inv(calibration.matrices[head_row, :3, :3]) @ np.stack([side, up, forward], axis=1)
    return Attachment(keypoints, rows, offsets, head_row, frame, stature)


def _face(pose: Posed, top: np.ndarray, axes: np.ndarray, stature: float) -> list[tuple[int, int, np.ndarray]]:
    """(keypoint, row, point) of the face: at its own bones where it has some, else in a face's proportions, fitted to those."""

    def offset(role: str) -> np.ndarray:
        return axes @ (pose.head(role) - top) / stature

    real = {number: offset(f"face_{number}") for number in range(POINTS) if pose.has(f"face_{number}")}
    landmarks = {name: offset(name) for name in LANDMARKS if pose.has(name)}
    carriers = {number: part for part, numbers in CARRIED.items() if pose.has(part) for number in numbers}
    carriers |= {number: f"face_{number}" for number in real}
    points = top + stature * fitted(real, landmarks) @ axes
    return [(FACE.start + number, pose.row(carriers.get(number, "head")), point) for number, point in enumerate(points)]


def _head_top(pose: Posed, up: np.ndarray, forward: np.ndarray, vertices: np.ndarray | None) -> tuple[np.ndarray, float]:
    """The crown above the ears' axis [3], and the stature. From the mesh, else the bone's end, else the usual proportions."""
    legs = sum(
        np.linalg.norm(pose.head(f"{side}_{end}") - pose.head(f"{side}_{start}")) / 2
        for side in SIDES
        for start, end in (("thigh", "shin"), ("shin", "foot"))
    )
    joint = pose.head("head")
    below = legs + (joint - pose.middle("thigh")) @ up  # ankles to the head's joint
    stature = below / (1 - _ANKLE_HEIGHT - _TOP_ABOVE_HEAD_JOINT)

    height, ears = _TOP_ABOVE_HEAD_JOINT * stature, _EARS_BEFORE_HEAD_JOINT * stature
    end = pose.head("head_end") if pose.has("head_end") else pose.tail("head")
    if _within((end - joint) @ up, _PLAUSIBLE_TOP, stature):
        height = (end - joint) @ up
    if vertices is not None and len(vertices):
        rise, reach = (vertices - joint) @ up, (vertices - joint) @ forward
        # A hat or long hair on the same mesh would lift the crown or the back of the head: then the bones know better.
        if _within(rise.max(), _PLAUSIBLE_TOP, stature) and _within(np.ptp(reach), _PLAUSIBLE_DEPTH, stature):
            height = rise.max()
            ears = reach.min() + _EARS_IN_HEAD_DEPTH * np.ptp(reach)
    return joint + height * up + ears * forward, float((below + height) / (1 - _ANKLE_HEIGHT))


def _fix_foot(fix, pose: Posed, name: str, outward: np.ndarray, up: np.ndarray, forward: np.ndarray, stature: float) -> None:
    ankle, toe = pose.head(f"{name}_foot"), f"{name}_toe"
    length, carrier = _TOE_BEFORE_ANKLE * stature, f"{name}_foot"
    if pose.has(toe):
        carrier = toe
        ahead = pose.head(toe) - ankle
        ahead = ahead - (ahead @ up) * up
        if np.linalg.norm(ahead) > 0.02 * stature:
            forward = _unit(ahead)
            outward = _unit(outward - (outward @ forward) * forward)
        if _within((pose.tail(toe) - ankle) @ forward, _PLAUSIBLE_TOE, stature):
            length = (pose.tail(toe) - ankle) @ forward
    sole = ankle - _SOLE_BELOW_ANKLE * stature * up
    fix(f"{name}_big_toe", carrier, sole + length * forward - _BIG_TOE_INWARD * stature * outward)
    fix(f"{name}_small_toe", carrier, sole + _SMALL_TOE_SETBACK * length * forward + _SMALL_TOE_OUTWARD * stature * outward)
    fix(f"{name}_heel", f"{name}_foot", sole - _HEEL_BEHIND_ANKLE * stature * forward)


def _fix_hand(fix, pose: Posed, name: str) -> None:
    """The fingers that have bones, as far as they go; without any there is no hand, and no wrist of it."""
    fingers = [finger for finger in FINGERS if pose.has(f"{name}_{finger}_1")]
    if fingers:
        fix(f"{name}_hand_wrist", f"{name}_hand", pose.head(f"{name}_hand"))
    for finger in fingers:
        for phalanx in (1, 2, 3):
            role = f"{name}_{finger}_{phalanx}"
            if not pose.has(role):
                break
            fix(f"{name}_hand_{finger}_{phalanx}", role, pose.head(role))
        else:
            fix(f"{name}_hand_{finger}_4", role, _finger_tip(pose, f"{name}_{finger}"))


def _finger_tip(pose: Posed, finger: str) -> np.ndarray:
    """The tail of the last phalanx where it goes on along the finger by a fair length, else 3/4 of the middle phalanx on."""
    last = pose.head(f"{finger}_3")
    middle = last - pose.head(f"{finger}_2")
    reach = pose.tail(f"{finger}_3") - last
    along = reach @ _unit(middle)
    if _within(along, _PLAUSIBLE_TIP, float(np.linalg.norm(middle))) and along > 0.8 * np.linalg.norm(reach):
        return last + reach
    return last + _TIP_LENGTH * middle


def _within(value: float, limits: Sequence[float], unit: float) -> bool:
    return limits[0] * unit <= value <= limits[1] * unit


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(np.linalg.norm(vector), 1e-12)
