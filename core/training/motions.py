"""Procedural motion: joint angles over time, and forward kinematics from them to bones.

Body space: statures (a person is 1 high), x to the character's left, y up, z forward (right-handed). Angles are radians.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

SIDED = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
BONES = (
    "pelvis", "waist", "chest", "neck", "head",
    *(f"left_{part}" for part in SIDED), *(f"right_{part}" for part in SIDED),
)  # fmt: skip
BONE = {name: number for number, name in enumerate(BONES)}

KINDS = ("idle", "walk", "run", "jump", "turn", "wave", "dance", "fight", "act", "sit", "floor")


@dataclass
class Angles:
    """Joint angles f64 [T] and, left and right or several axes, [T, 2] and [T, 3].

    flex is forward, abduct is outward, bend is the hinge's natural way, twist turns the front outward; spine and neck are
    (forward, twist left, lean right); tilt turns the whole body (forward, to its right).
    """

    yaw: np.ndarray
    lift: np.ndarray
    tilt: np.ndarray
    spine: np.ndarray
    neck: np.ndarray
    shoulder_flex: np.ndarray
    shoulder_abduct: np.ndarray
    shoulder_twist: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    hip_flex: np.ndarray
    hip_abduct: np.ndarray
    hip_twist: np.ndarray
    knee: np.ndarray
    ankle: np.ndarray

    def __getitem__(self, frames) -> Angles:
        return Angles(**{entry.name: getattr(self, entry.name)[frames] for entry in fields(self)})


LIMITS = {  # degrees: what a joint can do
    "spine": (-40, 75), "neck": (-55, 60), "shoulder_flex": (-60, 178), "shoulder_abduct": (-5, 172),
    "shoulder_twist": (-95, 95), "elbow": (0, 145), "wrist": (-60, 60), "hip_flex": (-35, 125), "hip_abduct": (-8, 85),
    "hip_twist": (-35, 50), "knee": (0, 145), "ankle": (-50, 35),
}  # fmt: skip

# Key poses in degrees; a pair is (left, right), a field left out is as in standing. Half of them are mirrored when drawn.
Pose = Mapping[str, object]
_STAND: Pose = {"shoulder_abduct": 14, "elbow": 12, "hip_abduct": 5, "knee": 3}
_POSES: dict[str, Pose] = {
    "stand": {},
    "contrapposto": {"hip_abduct": (12, 2), "knee": (22, 2), "hip_flex": (16, 0), "spine": (0, 6, -7)},
    "a_pose": {"shoulder_abduct": 45, "elbow": 3},
    "t_pose": {"shoulder_abduct": 88, "elbow": 2},
    "hands_on_hips": {"shoulder_abduct": 42, "shoulder_twist": -75, "elbow": 98, "hip_abduct": 10},
    "arms_crossed": {"shoulder_flex": 40, "shoulder_abduct": 4, "shoulder_twist": (-62, -68), "elbow": (100, 92)},
    "hand_on_chin": {"shoulder_flex": (34, 40), "shoulder_twist": (-60, -28), "elbow": (95, 132), "neck": (15, 0, 6)},
    "behind_head": {"shoulder_abduct": 115, "shoulder_twist": 55, "elbow": 132},
    "phone": {"shoulder_abduct": (14, 45), "shoulder_twist": (0, 40), "elbow": (12, 138), "neck": (0, 10, 12)},
    "point": {"shoulder_flex": (8, 86), "elbow": (15, 4), "spine": (4, 12, 0)},
    "wave_high": {"shoulder_abduct": (14, 118), "shoulder_twist": (0, 60), "elbow": (12, 55)},
    "cheer": {"shoulder_abduct": 150, "shoulder_twist": 20, "elbow": 25, "neck": (-18, 0, 0)},
    "shrug": {"shoulder_abduct": 26, "shoulder_twist": 40, "elbow": 88, "neck": (4, 0, 12)},
    "reach_up": {"shoulder_flex": (20, 168), "elbow": (20, 6), "spine": (-8, 0, -10), "neck": (-25, 0, 0), "ankle": -30},
    "reach_down": {"spine": (70, 0, 0), "hip_flex": 62, "knee": 28, "shoulder_flex": 60, "elbow": 8},
    "bow": {"spine": (50, 0, 0), "hip_flex": 30, "neck": (20, 0, 0), "shoulder_flex": 20},
    "look_back": {"spine": (0, 38, 0), "neck": (0, 55, 0), "shoulder_flex": (-15, 20)},
    "crouch": {"hip_flex": 100, "knee": 125, "ankle": 28, "spine": (32, 0, 0), "shoulder_flex": 55, "elbow": 45},
    "lunge": {"hip_flex": (78, -22), "knee": (82, 22), "ankle": (10, 25), "shoulder_flex": (-25, 50), "elbow": 40},
    "side_lunge": {"hip_abduct": (18, 52), "hip_flex": (50, 10), "knee": (75, 4), "spine": (22, 0, 10), "shoulder_abduct": 70},
    "balance": {"hip_flex": (85, 0), "knee": (105, 3), "shoulder_abduct": 85},
    "arabesque": {"hip_flex": (-30, 12), "knee": (8, 2), "spine": (25, 0, 0), "tilt": (28, 0), "shoulder_abduct": (100, 60)},
    "plie": {"hip_abduct": 38, "hip_twist": 40, "hip_flex": 30, "knee": 62, "shoulder_abduct": 80, "elbow": 28},
    "pirouette": {"hip_abduct": (48, 2), "hip_twist": (45, 0), "hip_flex": (50, 0), "knee": (112, 2), "shoulder_flex": 48,
                  "shoulder_twist": -50, "elbow": 62, "ankle": -32},
    "disco": {"shoulder_abduct": (35, 142), "elbow": (60, 8), "shoulder_twist": (-70, 0), "spine": (0, -8, 14),
              "hip_abduct": (6, 22)},
    "robot": {"shoulder_abduct": (85, 70), "shoulder_twist": (80, -80), "elbow": 90},
    "swing": {"shoulder_flex": (65, -40), "elbow": (70, 50), "hip_flex": (40, 4), "knee": (55, 10), "spine": (8, -18, 6)},
    "guard": {"shoulder_flex": (48, 38), "shoulder_twist": (-18, -26), "elbow": (112, 130), "hip_flex": (28, 0),
              "knee": (32, 22),
              "spine": (14, -14, 0), "hip_abduct": 12},
    "jab": {"shoulder_flex": (88, 38), "shoulder_twist": (-10, -26), "elbow": (6, 130), "hip_flex": (34, -8), "knee": (36, 18),
            "spine": (14, -26, 0), "hip_abduct": 12},
    "hook": {"shoulder_abduct": (12, 78), "shoulder_flex": (45, 40), "shoulder_twist": (-20, -20), "elbow": (120, 92),
             "spine": (10, 32, 0), "hip_flex": (24, 4), "knee": 26},
    "front_kick": {"hip_flex": (2, 98), "knee": (14, 12), "spine": (-12, 0, 0), "shoulder_flex": (40, 20), "elbow": (105, 70)},
    "side_kick": {"hip_abduct": (4, 78), "knee": (16, 10), "spine": (0, 0, -26), "shoulder_flex": 35, "elbow": 110},
    "block": {"shoulder_abduct": (14, 62), "shoulder_flex": (30, 70), "shoulder_twist": (-20, 30), "elbow": 100,
              "knee": 35, "hip_flex": 30},
    "sit": {"hip_flex": 88, "knee": 86, "shoulder_flex": 28, "elbow": 52, "hip_abduct": 8},
    "sit_lean": {"hip_flex": 84, "knee": (70, 95), "tilt": (-14, 0), "shoulder_flex": -18, "elbow": 20, "hip_abduct": 12},
    "sit_crossed": {"hip_flex": (96, 84), "knee": (80, 88), "hip_abduct": (-8, 2), "shoulder_flex": 34,
                    "shoulder_twist": -40, "elbow": 62},
    "sit_forward": {"hip_flex": 100, "knee": 92, "spine": (36, 0, 0), "shoulder_flex": 52, "shoulder_twist": -20,
                    "elbow": 68, "hip_abduct": 20},
    "floor_legs_out": {"hip_flex": 84, "knee": 8, "shoulder_flex": -28, "elbow": 10, "shoulder_abduct": 22, "ankle": -12},
    "cross_legged": {"hip_flex": 92, "hip_abduct": 52, "hip_twist": 40, "knee": 128, "shoulder_flex": 26, "elbow": 40},
    "hug_knees": {"hip_flex": 118, "knee": 124, "spine": (30, 0, 0), "shoulder_flex": 74, "shoulder_twist": -25, "elbow": 30},
    "kneel": {"hip_flex": 4, "knee": 92, "ankle": -44, "hip_abduct": 9},
    "kneel_low": {"hip_flex": 62, "knee": 142, "ankle": -48, "shoulder_flex": 30, "elbow": 30},
    "one_knee": {"hip_flex": (88, 2), "knee": (90, 94), "ankle": (0, 10), "shoulder_flex": (40, 10), "elbow": (70, 20)},
    "crawl": {"tilt": (82, 0), "hip_flex": (98, 70), "knee": (88, 80), "ankle": -40, "shoulder_flex": (70, 98),
              "neck": (-45, 0, 0)},
    "push_up": {"tilt": (74, 0), "shoulder_flex": 82, "elbow": 6, "ankle": 20, "neck": (-25, 0, 0), "hip_abduct": 4},
    "push_up_low": {"tilt": (84, 0), "shoulder_flex": 20, "shoulder_abduct": 40, "elbow": 120, "ankle": 25, "neck": (-25,
                    0, 0)},
    "lie_back": {"tilt": (-90, 0), "shoulder_abduct": 35, "hip_abduct": 10},
    "lie_knees_up": {"tilt": (-88, 0), "hip_flex": (55, 40), "knee": (105, 85), "shoulder_abduct": (150, 40), "elbow": (80,
                     30)},
    "lie_front": {"tilt": (88, 0), "shoulder_flex": 150, "elbow": 70, "neck": (-30, 25, 0), "knee": (5, 60), "spine": (-15,
                  0, 0)},
    "lie_side": {"tilt": (0, 86), "hip_flex": (40, 20), "knee": (70, 35), "shoulder_flex": (50, 120), "elbow": (60, 90)},
    "star": {"shoulder_abduct": 125, "hip_abduct": 34, "elbow": 4},
    "tuck": {"hip_flex": 105, "knee": 120, "shoulder_flex": 80, "elbow": 60, "spine": (20, 0, 0)},
}  # fmt: skip
_SETS = {
    "idle": ("stand", "contrapposto", "hands_on_hips", "arms_crossed", "hand_on_chin", "phone", "look_back"),
    "wave": ("wave_high", "stand", "point", "cheer", "shrug"),
    "dance": ("disco", "robot", "swing", "plie", "pirouette", "arabesque", "balance", "cheer", "star", "side_lunge",
              "hands_on_hips"),
    "fight": ("guard", "jab", "guard", "hook", "front_kick", "side_kick", "block", "lunge", "crouch"),
    "act": ("point", "reach_up", "reach_down", "bow", "crouch", "lunge", "look_back", "shrug", "behind_head", "hug_knees",
            "one_knee",
            "t_pose", "balance", "phone", "arms_crossed", "hand_on_chin"),
    "sit": ("sit", "sit_lean", "sit_crossed", "sit_forward"),
    "floor": ("floor_legs_out", "cross_legged", "hug_knees", "kneel", "kneel_low", "one_knee", "crawl", "push_up",
              "push_up_low",
              "lie_back", "lie_knees_up", "lie_front", "lie_side"),
}  # fmt: skip
_CHAINS = (("push_up", "push_up_low"), ("lie_back", "lie_knees_up"), ("kneel", "kneel_low", "one_knee"), ("crawl",),
("lie_front",),
           ("lie_side",), ("floor_legs_out", "cross_legged", "hug_knees"))  # fmt: skip
_PAIRS = {
    "shoulder_flex",
    "shoulder_abduct",
    "shoulder_twist",
    "elbow",
    "wrist",
    "hip_flex",
    "hip_abduct",
    "hip_twist",
    "knee",
    "ankle",
}
_WIDTHS = {
    entry.name: 2 if entry.name in _PAIRS | {"tilt"} else 3 for entry in fields(Angles) if entry.name not in ("yaw", "lift")
}


def key_pose(rng: np.random.Generator, name: str) -> dict[str, np.ndarray]:
    """A key pose as angles [2] and [3], radians: varied a little, mirrored half of the time."""
    given = {**_STAND, **_POSES[name]}
    mirrored = rng.random() < 0.5
    angles = {}
    for field, width in _WIDTHS.items():
        value = np.broadcast_to(np.asarray(given.get(field, 0), float), width).copy()
        if mirrored:
            value = value[::-1] if field in _PAIRS else value * ([1, -1] if field == "tilt" else [1, -1, -1])
        spread = 2.0 if field == "tilt" else 3 + 0.1 * np.abs(value)
        angles[field] = np.radians(value + rng.normal(size=width) * spread)
    return angles


def motion(rng: np.random.Generator, kind: str, frames: int, fps: float = 24.0) -> Angles:
    """`frames` frames of a random motion of this kind, within the joints' limits."""
    t = (np.arange(frames) / fps)[:, None]
    pace = rng.uniform(0.7, 1.4)
    angles = _between_poses(rng, kind, t[:, 0] * pace) if kind in _SETS else _blank(rng, frames)
    if kind in ("walk", "run"):
        _stride(rng, angles, t, pace, kind == "run")
    elif kind == "jump":
        _jump(rng, angles, t, pace)
    if kind == "turn":
        angles.yaw = rng.choice([-1, 1]) * rng.uniform(1.5, 5.5) * t[:, 0]
        if rng.random() < 0.6:
            _stride(rng, angles, t, pace, run=False)
    elif rng.random() < 0.25:
        angles.yaw = rng.uniform(-1.8, 1.8) * t[:, 0]
    if kind == "wave":
        hand = rng.integers(2)
        angles.elbow[:, hand] += 0.45 * np.sin(2 * np.pi * pace * 1.6 * t[:, 0] + rng.uniform(0, 6.3))
    _breathe(rng, angles, t)
    for field, (low, high) in LIMITS.items():
        np.clip(getattr(angles, field), np.radians(low), np.radians(high), out=getattr(angles, field))
    return angles


def rest() -> Angles:
    """One frame of the rest pose: an A-pose."""
    blank = {name: np.zeros((1, width)) for name, width in _WIDTHS.items()}
    angles = Angles(yaw=np.zeros(1), lift=np.zeros(1), **blank)
    angles.shoulder_abduct[:], angles.hip_abduct[:] = np.radians(42), np.radians(7)
    return angles


def _blank(rng: np.random.Generator, frames: int) -> Angles:
    held = key_pose(rng, "stand")
    return Angles(
        yaw=np.zeros(frames), lift=np.zeros(frames), **{name: np.tile(value, (frames, 1)) for name, value in held.items()}
    )


def _between_poses(rng: np.random.Generator, kind: str, t: np.ndarray) -> Angles:
    """Eased from key pose to key pose, held at each for a while; starts anywhere in it."""
    names = list(_CHAINS[rng.integers(len(_CHAINS))] if kind == "floor" else rng.permutation(_SETS[kind]))
    quick = {"fight": 0.22, "dance": 0.35, "idle": 0.9}.get(kind, 0.55)
    now = -rng.uniform(0, 1.2)
    times, keys = [now], list[dict[str, np.ndarray]]()
    while now <= t[-1] or len(keys) < 2:
        key = key_pose(rng, names[len(keys) // 2 % len(names)])
        keys += [key, key]
        hold = rng.uniform(0.05, 0.5) if rng.random() < 0.5 else 0.04
        move = quick * rng.uniform(0.7, 1.5)
        times += [now + hold, now + hold + move]
        now += hold + move
    index = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(keys) - 2)
    start = np.asarray(times)[index]
    share = np.clip((t - start) / (np.asarray(times)[index + 1] - start), 0, 1)
    share = (share * share * (3 - 2 * share))[:, None]
    blended = {}
    for name in _WIDTHS:
        values = np.stack([key[name] for key in keys])
        blended[name] = values[index] * (1 - share) + values[index + 1] * share
    return Angles(yaw=np.zeros(len(t)), lift=np.zeros(len(t)), **blended)


def _stride(rng: np.random.Generator, angles: Angles, t: np.ndarray, pace: float, run: bool) -> None:
    reach, fold = (rng.uniform(0.55, 0.9), rng.uniform(1.0, 1.7)) if run else (rng.uniform(0.3, 0.52), rng.uniform(0.6, 0.95))
    phase = 2 * np.pi * pace * (1.35 if run else 0.9) * t + np.array([0, np.pi]) + rng.uniform(0, 6.3)
    angles.hip_flex = reach * np.sin(phase) + (0.22 if run else 0.06)
    angles.knee = 0.08 + fold * np.clip(np.sin(phase + 1.2 + np.pi / 2), 0, 1) ** 1.3
    angles.ankle = 0.25 * np.sin(phase - 0.6) - (0.15 if run else 0.0)
    angles.shoulder_flex = -rng.uniform(0.5, 1.1) * reach * np.sin(phase)
    angles.elbow = (1.35 if run else rng.uniform(0.15, 0.5)) - 0.3 * np.sin(phase)
    angles.spine[:, 0] += rng.uniform(0.1, 0.3) if run else 0.03
    angles.spine[:, 1] += 0.12 * np.sin(phase[:, 0])
    angles.lift = angles.lift + (0.03 * np.abs(np.sin(phase[:, 0])) if run else 0)


def _jump(rng: np.random.Generator, angles: Angles, t: np.ndarray, pace: float) -> None:
    beat = np.sin(2 * np.pi * 0.8 * pace * t + rng.uniform(0, 6.3))
    down, up = np.clip(-beat, 0, 1), np.clip(beat, 0, 1)
    air = key_pose(rng, str(rng.choice(["star", "tuck", "cheer", "lunge"])))
    for name in ("shoulder_flex", "shoulder_abduct", "elbow", "hip_flex", "hip_abduct", "knee"):
        setattr(angles, name, getattr(angles, name) * (1 - up) + air[name] * up)
    angles.hip_flex, angles.knee = angles.hip_flex + 1.1 * down, angles.knee + 1.5 * down
    angles.ankle = angles.ankle + 0.45 * down - 0.6 * up
    angles.spine[:, :1] += 0.4 * down
    angles.shoulder_flex = angles.shoulder_flex - 0.7 * down
    angles.lift = rng.uniform(0.08, 0.25) * up[:, 0]


def _breathe(rng: np.random.Generator, angles: Angles, t: np.ndarray) -> None:
    """Nothing alive holds quite still."""
    for name, size in (("spine", 0.02), ("neck", 0.06), ("shoulder_flex", 0.04), ("elbow", 0.05), ("wrist", 0.1)):
        value = getattr(angles, name)
        phase = rng.uniform(0, 6.3, value.shape[1])
        setattr(angles, name, value + size * np.sin(2 * np.pi * rng.uniform(0.2, 0.7) * t + phase))
    look = rng.normal(0, [0.12, 0.35, 0.05])
    angles.neck = angles.neck + look


@dataclass(frozen=True)
class Proportions:
    """Bone lengths and widths, in statures; `trunk` from the hips to the shoulders, `neck` from there to the head's joint."""

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
    """Bones in body space over T frames: start, end f64 [T, bones, 3]; frames [T, bones, 3, 3] (columns left, up, forward).

    An arm's or leg's bone lies along -up of its frame, a foot along forward. Order: `BONES`.
    """

    start: np.ndarray
    end: np.ndarray
    frames: np.ndarray

    def at(self, bone: str) -> np.ndarray:
        return self.start[:, BONE[bone]]

    def tip(self, bone: str) -> np.ndarray:
        return self.end[:, BONE[bone]]

    def frame(self, bone: str) -> np.ndarray:
        return self.frames[:, BONE[bone]]


_THICKNESS = {  # statures, below a joint: how far above the ground it comes to lie
    "pelvis": 0.07, "chest": 0.08, "head": 0.05, "upper_arm": 0.04, "forearm": 0.025, "hand": 0.015, "thigh": 0.06,
    "shin": 0.035,
}  # fmt: skip


def _rotate(axis: int, angle: np.ndarray) -> np.ndarray:
    """Right-handed rotations [..., 3, 3] by `angle` [...] about x, y or z."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*np.shape(angle), 3, 3))
    matrix[..., axis, axis] = 1
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., i, i], matrix[..., i, j], matrix[..., j, i], matrix[..., j, j] = c, -s, s, c
    return matrix


def pose(angles: Angles, size: Proportions) -> Body:
    """Forward kinematics; what is lowest lies at y = 0, lifted by `angles.lift`."""
    frames = {}
    frames["pelvis"] = _rotate(1, angles.yaw) @ _rotate(0, angles.tilt[:, 0]) @ _rotate(2, -angles.tilt[:, 1])
    bend = _rotate(0, angles.spine[:, 0] / 2) @ _rotate(1, angles.spine[:, 1] / 2) @ _rotate(2, -angles.spine[:, 2] / 2)
    frames["waist"] = frames["pelvis"] @ bend
    frames["chest"] = frames["waist"] @ bend
    nod = 0.4 * angles.neck
    frames["neck"] = frames["chest"] @ _rotate(1, nod[:, 1]) @ _rotate(0, nod[:, 0]) @ _rotate(2, -nod[:, 2])
    rest_of = 0.6 * angles.neck
    frames["head"] = frames["neck"] @ _rotate(1, rest_of[:, 1]) @ _rotate(0, rest_of[:, 0]) @ _rotate(2, -rest_of[:, 2])

    def go(origin: np.ndarray, frame: str, left: float = 0.0, up: float = 0.0, forward: float = 0.0) -> np.ndarray:
        return origin + frames[frame] @ np.array([left, up, forward])

    start = {"pelvis": np.zeros((len(angles.yaw), 3))}
    start["waist"] = go(start["pelvis"], "pelvis", up=size.trunk * 0.35)
    start["chest"] = go(start["waist"], "waist", up=size.trunk * 0.35)
    start["neck"] = go(start["chest"], "chest", up=size.trunk * 0.3)
    start["head"] = go(start["neck"], "neck", up=size.neck)
    end = {bone: start[child] for bone, child in (("pelvis", "waist"), ("waist", "chest"), ("chest", "neck"), ("neck", "head"))}
    end["head"] = go(start["head"], "head", up=size.head)
    for side, (name, out) in enumerate((("left", 1.0), ("right", -1.0))):
        upper, fore, hand, thigh, shin, foot = (f"{name}_{part}" for part in SIDED)
        frames[upper] = (
            frames["chest"]
            @ _rotate(2, out * angles.shoulder_abduct[:, side])
            @ _rotate(0, -angles.shoulder_flex[:, side])
            @ _rotate(1, out * angles.shoulder_twist[:, side])
        )
        frames[fore] = frames[upper] @ _rotate(0, -angles.elbow[:, side])
        frames[hand] = frames[fore] @ _rotate(2, -out * angles.wrist[:, side])
        raised = np.clip(angles.shoulder_abduct[:, side] - 1.2, 0, 1) + np.clip(angles.shoulder_flex[:, side] - 1.2, 0, 1)
        start[upper] = (
            go(start["neck"], "chest", out * size.shoulders / 2) + frames["chest"] @ np.array([0, 0.03, 0]) * raised[:, None]
        )
        start[fore] = end[upper] = go(start[upper], upper, up=-size.upper_arm)
        start[hand] = end[fore] = go(start[fore], fore, up=-size.forearm)
        end[hand] = go(start[hand], hand, up=-size.hand)
        frames[thigh] = (
            frames["pelvis"]
            @ _rotate(2, out * angles.hip_abduct[:, side])
            @ _rotate(0, -angles.hip_flex[:, side])
            @ _rotate(1, out * angles.hip_twist[:, side])
        )
        frames[shin] = frames[thigh] @ _rotate(0, angles.knee[:, side])
        frames[foot] = frames[shin] @ _rotate(0, -angles.ankle[:, side])
        start[thigh] = go(start["pelvis"], "pelvis", out * size.hips / 2)
        start[shin] = end[thigh] = go(start[thigh], thigh, up=-size.thigh)
        start[foot] = end[shin] = go(start[shin], shin, up=-size.shin)
        end[foot] = go(start[foot], foot, up=-size.ankle * 0.85, forward=size.foot * 0.72)

    ground = np.full(len(angles.yaw), np.inf)
    for bone in BONES:
        part = bone.split("_", 1)[-1] if bone.startswith(("left", "right")) else bone
        if part == "foot":
            heel = go(start[bone], bone, up=-size.ankle, forward=-0.02)
            ground = np.minimum(ground, np.minimum(heel[:, 1], end[bone][:, 1] - size.ankle * 0.15))
        elif part in _THICKNESS:
            ground = np.minimum(ground, np.minimum(start[bone][:, 1], end[bone][:, 1]) - _THICKNESS[part])
    rise = np.stack([np.zeros_like(ground), angles.lift - ground, np.zeros_like(ground)], 1)[:, None]
    return Body(
        *(np.stack([joints[bone] for bone in BONES], 1) + rise for joints in (start, end)),
        np.stack([frames[b] for b in BONES], 1),
    )
