"""Procedural motion: joint angles over time, and forward kinematics from them to joints.

Body space: metres at a stature of 1, x to the character's left, y up, z forward (right-handed). Angles are radians.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

KINDS = ("stand", "walk", "run", "wave", "dance", "squat", "jump", "reach", "fight")


@dataclass
class Angles:
    """Joint angles, each f64 [T]; left and right in the last axis [T, 2] where there are two (left first).

    flex is forward, abduct is outward, bend is the hinge's natural way; spine and neck are (forward, twist left, lean right).
    """

    yaw: np.ndarray
    lift: np.ndarray
    spine: np.ndarray  # [T, 3]
    neck: np.ndarray  # [T, 3]
    shoulder_flex: np.ndarray
    shoulder_abduct: np.ndarray
    shoulder_twist: np.ndarray
    elbow: np.ndarray
    hip_flex: np.ndarray
    hip_abduct: np.ndarray
    knee: np.ndarray
    ankle: np.ndarray

    def __getitem__(self, frames) -> Angles:
        return Angles(**{entry.name: getattr(self, entry.name)[frames] for entry in fields(self)})


def _smooth(rng: np.random.Generator, t: np.ndarray, low, high, size: int = 2, pace: float = 1.0) -> np.ndarray:
    """A smooth random curve [T, size] between `low` and `high`: two slow sines around a random middle."""
    middle = rng.uniform(0.25, 0.75, size)
    wave = sum(
        rng.uniform(0, 0.32, size) * np.sin(2 * np.pi * pace * rng.uniform(0.2, 0.9) * t[:, None] + rng.uniform(0, 6.3, size))
        for _ in range(2)
    )
    return low + (high - low) * np.clip(middle + wave, 0, 1)


def motion(rng: np.random.Generator, kind: str, frames: int, fps: float = 24.0) -> Angles:
    """`frames` frames of a random motion of this kind."""
    t = (np.arange(frames) + rng.uniform(0, 1000)) / fps
    one = np.ones((frames, 1))
    pace = rng.uniform(0.6, 1.5)
    turning = rng.uniform(-2.5, 2.5) if rng.random() < 0.35 else 0.0
    angles = Angles(
        yaw=turning * (t - t[0]) + 0.08 * np.sin(t * rng.uniform(0.5, 2)),
        lift=np.zeros(frames),
        spine=_smooth(rng, t, np.array([-0.1, -0.25, -0.12]), np.array([0.25, 0.25, 0.12]), 3, pace),
        neck=_smooth(rng, t, np.array([-0.3, -0.6, -0.2]), np.array([0.35, 0.6, 0.2]), 3, pace),
        shoulder_flex=_smooth(rng, t, -0.25, 0.3, 2, pace),
        shoulder_abduct=rng.uniform(0.08, 0.45) * one + _smooth(rng, t, -0.05, 0.15, 2, pace),
        shoulder_twist=_smooth(rng, t, -0.4, 0.4, 2, pace),
        elbow=_smooth(rng, t, 0.05, 0.7, 2, pace),
        hip_flex=_smooth(rng, t, -0.08, 0.12, 2, pace),
        hip_abduct=rng.uniform(0.02, 0.16) * one + _smooth(rng, t, -0.02, 0.05, 2, pace),
        knee=_smooth(rng, t, 0.0, 0.25, 2, pace),
        ankle=_smooth(rng, t, -0.1, 0.15, 2, pace),
    )
    phase = 2 * np.pi * pace * t[:, None] + np.array([0, np.pi]) + rng.uniform(0, 6.3)
    stride = np.sin(phase)
    if kind in ("walk", "run"):
        reach, lift = (rng.uniform(0.3, 0.6), 0.9) if kind == "walk" else (rng.uniform(0.55, 0.95), 1.5)
        angles.hip_flex = reach * stride + (0.05 if kind == "walk" else 0.2)
        angles.knee = 0.08 + lift * np.clip(-np.sin(phase - 0.9), 0, 1) * rng.uniform(0.6, 1)
        angles.shoulder_flex = -rng.uniform(0.3, 0.8) * stride
        angles.elbow = (0.2 if kind == "walk" else 1.3) + 0.25 * stride + rng.uniform(0, 0.3)
        angles.spine[:, 0] += 0.0 if kind == "walk" else 0.15
    elif kind == "wave":
        side = rng.integers(2)
        angles.shoulder_abduct[:, side] = rng.uniform(1.3, 2.4)
        angles.shoulder_twist[:, side] = rng.uniform(-0.3, 0.3)
        angles.shoulder_flex[:, side] = rng.uniform(0, 0.4)
        angles.elbow[:, side] = rng.uniform(0.4, 0.9) + 0.5 * np.sin(2 * np.pi * pace * 1.3 * t)
    elif kind == "dance":
        angles.shoulder_flex = _smooth(rng, t, -0.6, 2.2, 2, 2 * pace)
        angles.shoulder_abduct = _smooth(rng, t, 0.1, 2.3, 2, 2 * pace)
        angles.shoulder_twist = _smooth(rng, t, -1.0, 1.0, 2, pace)
        angles.elbow = _smooth(rng, t, 0.1, 2.2, 2, 2 * pace)
        angles.hip_flex = _smooth(rng, t, -0.3, 1.1, 2, 2 * pace)
        angles.hip_abduct = _smooth(rng, t, 0.0, 0.6, 2, pace)
        angles.knee = _smooth(rng, t, 0.0, 1.5, 2, 2 * pace)
        angles.spine = _smooth(rng, t, np.array([-0.3, -0.5, -0.35]), np.array([0.5, 0.5, 0.35]), 3, pace)
    elif kind == "squat":
        depth = (0.5 - 0.5 * np.cos(2 * np.pi * 0.6 * pace * t + rng.uniform(0, 6.3)))[:, None] * rng.uniform(0.6, 1.9)
        angles.hip_flex, angles.knee, angles.ankle = depth * one * 1.0, depth * 1.35 * one, 0.35 * depth * one
        angles.spine[:, 0] += 0.3 * depth[:, 0]
        angles.shoulder_flex = depth * rng.uniform(0.3, 0.9) * np.ones(2)
        angles.hip_flex, angles.knee, angles.ankle = (np.broadcast_to(a, (frames, 2)) for a in (
            angles.hip_flex, angles.knee, angles.ankle))  # fmt: skip
    elif kind == "jump":
        beat = np.sin(2 * np.pi * pace * t + rng.uniform(0, 6.3))
        angles.lift = 0.12 * np.clip(beat, 0, 1)
        angles.shoulder_abduct = 0.3 + 1.2 * (0.5 + 0.5 * beat)[:, None] * rng.uniform(0.5, 1.4) * np.ones(2)
        angles.hip_abduct = 0.1 + 0.4 * np.clip(beat, 0, 1)[:, None] * np.ones(2)
        angles.knee = 0.8 * np.clip(-beat, 0, 1)[:, None] * np.ones(2)
        angles.hip_flex = 0.5 * angles.knee
    elif kind == "reach":
        angles.shoulder_flex = _smooth(rng, t, -0.4, 2.9, 2, pace)
        angles.elbow = _smooth(rng, t, 0.0, 1.0, 2, pace)
        angles.spine = _smooth(rng, t, np.array([-0.2, -0.5, -0.3]), np.array([0.7, 0.5, 0.3]), 3, pace)
    elif kind == "fight":
        angles.shoulder_flex = _smooth(rng, t, 0.3, 1.6, 2, 2 * pace)
        angles.shoulder_twist = _smooth(rng, t, -1.2, 0.3, 2, pace)
        angles.elbow = _smooth(rng, t, 0.2, 2.2, 2, 2 * pace)
        kicks = rng.integers(2)
        angles.hip_flex[:, kicks] = np.clip(1.7 * np.sin(2 * np.pi * 0.8 * pace * t), -0.3, 1.6)
        angles.knee[:, kicks] = 0.9 * np.clip(np.sin(2 * np.pi * 0.8 * pace * t + 1), 0, 1)
    return angles


@dataclass(frozen=True)
class Proportions:
    """Bone lengths and widths, in statures."""

    thigh: float
    shin: float
    foot: float
    ankle: float
    trunk: float
    shoulders: float
    hips: float
    upper_arm: float
    forearm: float
    hand: float
    neck: float
    head: float


@dataclass(frozen=True)
class Body:
    """Joints f64 [T, 3] (pairs [T, 2, 3], left first) and frames [T, 3, 3] (columns left, up, forward), body space."""

    pelvis: np.ndarray
    waist: np.ndarray
    chest: np.ndarray
    neck: np.ndarray
    chin: np.ndarray
    crown: np.ndarray
    shoulder: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    finger: np.ndarray
    hip: np.ndarray
    knee: np.ndarray
    ankle: np.ndarray
    toe: np.ndarray
    pelvis_frame: np.ndarray
    chest_frame: np.ndarray
    head_frame: np.ndarray
    hand_frame: np.ndarray  # [T, 2, 3, 3]


def _rotate(axis: int, angle: np.ndarray) -> np.ndarray:
    """Right-handed rotations [..., 3, 3] by `angle` [...] about x, y or z."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*np.shape(angle), 3, 3))
    matrix[..., axis, axis] = 1
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., i, i], matrix[..., i, j], matrix[..., j, i], matrix[..., j, j] = c, -s, s, c
    return matrix


def pose(angles: Angles, size: Proportions) -> Body:
    """Forward kinematics; the lower foot stands at y = 0, lifted by `angles.lift`."""
    frames = len(angles.yaw)
    side = np.array([1.0, -1.0])
    pelvis_frame = _rotate(1, angles.yaw)
    bend = _rotate(0, angles.spine[:, 0] / 2) @ _rotate(1, angles.spine[:, 1] / 2) @ _rotate(2, -angles.spine[:, 2] / 2)
    waist_frame = pelvis_frame @ bend
    chest_frame = waist_frame @ bend
    head_frame = chest_frame @ _rotate(1, angles.neck[:, 1]) @ _rotate(0, angles.neck[:, 0]) @ _rotate(2, -angles.neck[:, 2])

    up = np.array([0.0, 1.0, 0.0])
    pelvis = np.zeros((frames, 3))
    waist = pelvis + pelvis_frame @ (up * size.trunk * 0.35)
    chest = waist + waist_frame @ (up * size.trunk * 0.4)
    neck = chest + chest_frame @ (up * size.trunk * 0.25)
    across = np.stack([side * size.shoulders / 2, np.zeros(2), np.zeros(2)], 1)  # [2, 3]
    shoulder = neck[:, None] + np.einsum("tij,sj->tsi", chest_frame, across)
    chin = neck + chest_frame @ (up * size.neck)
    crown = chin + head_frame @ (up * size.head)

    down = -up
    arm = (
        chest_frame[:, None]
        @ _rotate(2, side * angles.shoulder_abduct)
        @ _rotate(0, -angles.shoulder_flex)
        @ _rotate(1, side * angles.shoulder_twist)
    )
    elbow = shoulder + arm @ (down * size.upper_arm)
    hand_frame = arm @ _rotate(0, -angles.elbow)
    wrist = elbow + hand_frame @ (down * size.forearm)
    finger = wrist + hand_frame @ (down * size.hand)

    hips = np.stack([side * size.hips / 2, np.zeros(2), np.zeros(2)], 1)
    hip = pelvis[:, None] + np.einsum("tij,sj->tsi", pelvis_frame, hips)
    leg = pelvis_frame[:, None] @ _rotate(2, side * angles.hip_abduct) @ _rotate(0, -angles.hip_flex)
    knee = hip + leg @ (down * size.thigh)
    shin = leg @ _rotate(0, angles.knee)
    ankle = knee + shin @ (down * size.shin)
    foot = shin @ _rotate(0, -angles.ankle)
    toe = ankle + foot @ np.array([0.0, -size.ankle * 0.6, size.foot * 0.72])

    ground = np.minimum(toe[..., 1].min(1), ankle[..., 1].min(1) - size.ankle)
    joints = {
        name: value + (angles.lift - ground).reshape(-1, *(1,) * (value.ndim - 1)) * up
        for name, value in {
            "pelvis": pelvis, "waist": waist, "chest": chest, "neck": neck, "chin": chin, "crown": crown,
            "shoulder": shoulder, "elbow": elbow, "wrist": wrist, "finger": finger,
            "hip": hip, "knee": knee, "ankle": ankle, "toe": toe,
        }.items()
    }  # fmt: skip
    return Body(**joints, pelvis_frame=pelvis_frame, chest_frame=chest_frame, head_frame=head_frame, hand_frame=hand_frame)
