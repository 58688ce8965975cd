"""Give the people of a clip the proportions of somebody else: of another clip, a rest pose, or the person of a picture.

Lengths are changed in 3D, from the hips outwards, before anything is projected: foreshortening would corrupt the ratios of
projected lengths. The stature stays. The ways of the feet and of the hips are scaled by the ratio of the legs, upwards from the
ground and outwards from where the person first stood, so that a foot that is planted stays planted; the knees are then found
between hip and ankle. All factors are constant over time and the same on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np

from ..errors import InvalidClip, InvalidRequest
from .bones.roles import SIDES
from .clip import PoseClip
from .skeleton import BODY, FACE, FEET, INDEX, LEFT_HAND, RIGHT_HAND

_HEAD = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
_HEAD_POINTS = [*(INDEX[name] for name in _HEAD), *range(FACE.start, FACE.stop)]
_EARS = [INDEX["left_ear"], INDEX["right_ear"]]
_FOOT_POINTS = {side: [INDEX[f"{side}_{part}"] for part in ("big_toe", "small_toe", "heel")] for side in SIDES}
_HAND_POINTS = {"left": LEFT_HAND, "right": RIGHT_HAND}
_LIMBS = {
    "thigh": ("hip", "knee"), "shin": ("knee", "ankle"), "upper_arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"),
}  # fmt: skip

# Below this share of the usual, a length in a picture is taken to be foreshortened, and the usual one is meant.
_FORESHORTENED, _AT_MOST = 0.7, 1.6
_UNBENT = 1e-3  # of the leg: where a knee is straight, it would bend forwards


@dataclass(frozen=True)
class Proportions:
    """Lengths of a body, in any one unit: shoulders and hips are widths, the head is from ear to ear, the neck to the ears."""

    trunk: float
    neck: float
    head: float
    shoulders: float
    hips: float
    upper_arm: float
    forearm: float
    thigh: float
    shin: float

    def __post_init__(self):
        for name, length in asdict(self).items():
            if not (np.isfinite(length) and length > 0):
                raise InvalidRequest(f"The length of the {name.replace('_', ' ')} is {length}: it must be positive.")

    @property
    def height(self) -> float:
        return self.neck + self.trunk + self.thigh + self.shin

    @property
    def leg(self) -> float:
        return self.thigh + self.shin


# In statures, measured on a CC0 human base mesh.
USUAL = Proportions(
    trunk=0.286, neck=0.105, head=0.098, shoulders=0.201, hips=0.108, upper_arm=0.186, forearm=0.146, thigh=0.245, shin=0.246
)


def measure(points: np.ndarray) -> Proportions:
    """The proportions of keypoints [T, 134, 3] or [134, 3], in their unit; medians over time, means of left and right.

    Raises `InvalidRequest` where body keypoints lie in one place.
    """
    return Proportions(**{name: float(np.median(length)) for name, length in _lengths(points).items()})


def fit(points: np.ndarray, present: np.ndarray) -> Proportions:
    """The proportions of the person of a picture, in statures, from keypoints [18 or more, 2] in pixels, y down.

    `present` is bool, one a keypoint. A projection only ever shortens, so of left and right, and of the head's points, the
    longest is taken; a length far below the usual is foreshortened, and like a missing one, taken as usual. Raises
    `InvalidRequest` if not enough of the person is there to tell its size.
    """
    points = np.asarray(points, float)[: BODY.stop]
    present = np.asarray(present, bool)[: BODY.stop]

    def between(one: str, other: str) -> float:
        one_row, other_row = INDEX[one], INDEX[other]
        return float(np.linalg.norm(points[one_row] - points[other_row])) if present[one_row] and present[other_row] else 0.0

    def middle(part: str) -> np.ndarray | None:
        rows = [INDEX[f"{side}_{part}"] for side in SIDES]
        return points[rows].mean(axis=0) if present[rows].all() else None

    seen = {name: max(between(f"{side}_{start}", f"{side}_{end}") for side in SIDES) for name, (start, end) in _LIMBS.items()}
    seen["shoulders"], seen["hips"] = between("left_shoulder", "right_shoulder"), between("left_hip", "right_hip")
    neck, pelvis, ears, eyes = middle("shoulder"), middle("hip"), middle("ear"), middle("eye")
    seen["trunk"] = float(np.linalg.norm(neck - pelvis)) if neck is not None and pelvis is not None else 0.0
    top = ears if ears is not None else eyes
    seen["neck"] = float(np.linalg.norm(top - neck)) if top is not None and neck is not None else 0.0
    # Whichever way the head is turned, one of these lies nearly in the picture's plane.
    pairs = {("left_ear", "right_ear"): 0.098, ("nose", "left_ear"): 0.0904, ("nose", "right_ear"): 0.0904}
    seen["head"] = USUAL.head * max(between(*pair) / usual for pair, usual in pairs.items())

    usual = asdict(USUAL)
    ratios = {name: length / usual[name] for name, length in seen.items() if length > 0}
    if len(ratios) < 3 or not ratios.keys() & {"trunk", "thigh", "shin"}:
        raise InvalidRequest(
            "The keypoints show too little of the person to tell its proportions.",
            "Place at least the shoulders, the hips and a knee.",
        )
    size = float(np.percentile([ratios[name] for name in ratios], 60))
    factors = {name: ratio / size for name, ratio in ratios.items()}
    told = {name: min(factor, _AT_MOST) for name, factor in factors.items() if factor >= _FORESHORTENED}
    return Proportions(**{name: length * told.get(name, 1.0) for name, length in usual.items()})


def align(
    clip: PoseClip,
    proportions: Mapping[str, Proportions],
    strength: float = 1.0,
    *,
    own: Mapping[str, Proportions] | None = None,
    views: np.ndarray | None = None,
    up: tuple[float, float, float] = (0.0, -1.0, 0.0),
) -> PoseClip:
    """The clip with those people (by name) in other proportions, as far as `strength` says: from 0, not at all, to 1.

    `own` are the proportions they have, if known better than from the clip, as from a rest pose. `views` [T, 4, 4] map world to
    camera space, and `up` is the world's; without, the camera stands still and `up` is in camera space (y down).

    Raises `InvalidRequest` for a strength out of range, an unknown person or proportions that cannot be, `InvalidClip` where a
    person of the clip has no extent.
    """
    if not 0 <= strength <= 1:
        raise InvalidRequest(f"The strength of the alignment is {strength}: it must lie between 0 and 1.")
    if strangers := proportions.keys() - set(clip.people):
        raise InvalidRequest(f"The clip has nobody called {', '.join(sorted(strangers))}.")
    if strength == 0 or not proportions:
        return clip
    to_world = np.linalg.inv(views) if views is not None else np.tile(np.eye(4), (len(clip), 1, 1))
    upwards = np.asarray(up, float) / np.linalg.norm(up)
    points = clip.points_cam.copy()
    for name, wanted in proportions.items():
        person = clip.people.index(name)
        world = _moved(clip.points_cam[:, person].astype(float), to_world)
        try:
            had = own[name] if own and name in own else measure(world)
        except InvalidRequest as error:
            raise InvalidClip(
                f"{name!r} cannot be aligned. {error.message}", "Include a frame that shows the whole body."
            ) from error
        place = standing_place(world[0], upwards)
        points[:, person] = _moved(reshape(world, had, wanted, strength, upwards, place), np.linalg.inv(to_world))
    return PoseClip(
        points, clip.visible, clip.intrinsics, clip.orthographic, clip.frames, clip.fps, clip.width, clip.height, clip.people,
        {**clip.source, "aligned": {name: {**asdict(wanted), "strength": strength} for name, wanted in proportions.items()}},
    )  # fmt: skip


def standing_place(points: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Where on the ground [3] somebody stands with keypoints [134, 3]: below the hips, as high as the lowest of the feet."""
    pelvis = (points[INDEX["left_hip"]] + points[INDEX["right_hip"]]) / 2
    lowest = (points[[*range(FEET.start, FEET.stop), INDEX["left_ankle"], INDEX["right_ankle"]]] @ up).min()
    return pelvis + (lowest - pelvis @ up) * up


def reshape(
    points: np.ndarray, own: Proportions, wanted: Proportions, strength: float, up: np.ndarray, place: np.ndarray
) -> np.ndarray:
    """One person's keypoints [T, 134, 3], of proportions `own`, in a space that stands still and in which `up` [3] is up.

    Ways are scaled from `place` [3]: where the person first stood.
    """
    return _reshaped(points, _factors(own, wanted, strength), up, place)


def _factors(had: Proportions, wanted: Proportions, strength: float) -> dict[str, float]:
    size = had.height / wanted.height
    factors = {
        field.name: (size * getattr(wanted, field.name) / getattr(had, field.name)) ** strength for field in fields(Proportions)
    }
    factors["leg"] = (had.thigh * factors["thigh"] + had.shin * factors["shin"]) / had.leg
    arm = had.upper_arm + had.forearm
    factors["arm"] = (had.upper_arm * factors["upper_arm"] + had.forearm * factors["forearm"]) / arm
    return factors


def _reshaped(points: np.ndarray, factors: Mapping[str, float], up: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Keypoints [T, 134, 3] with their segments scaled, in a space that stands still and in which `up` [3] is up."""

    def at(name: str) -> np.ndarray:
        return points[:, INDEX[name]]

    def length(limb: str, side: str) -> np.ndarray:
        start, end = _LIMBS[limb]
        return np.linalg.norm(at(f"{side}_{end}") - at(f"{side}_{start}"), axis=-1)

    def put(name: str, value: np.ndarray) -> None:
        new[:, INDEX[name]] = value

    new = points.copy()
    pelvis, neck = (at("left_hip") + at("right_hip")) / 2, (at("left_shoulder") + at("right_shoulder")) / 2
    leg = factors["leg"]

    hips = {side: at(f"{side}_hip") - pelvis for side in SIDES}
    ankles = {side: origin + leg * (at(f"{side}_ankle") - origin) for side in SIDES}
    root = origin + leg * (pelvis - origin)
    thighs, shins = ({side: factors[name] * length(name, side) for side in SIDES} for name in ("thigh", "shin"))
    # Other hips than the legs were made for can put an ankle out of reach: then the whole body sinks until it is in reach.
    sunk = [_out_of_reach(root + factors["hips"] * hips[side] - ankles[side], thighs[side] + shins[side], up) for side in SIDES]
    root = root - np.max(sunk, axis=0) * up
    forward = np.cross(at("left_hip") - at("right_hip"), up)
    for side in SIDES:
        hip = root + factors["hips"] * hips[side]
        bend = at(f"{side}_knee") - (at(f"{side}_hip") + at(f"{side}_ankle")) / 2
        knee, ankle = _two_bones(hip, ankles[side], thighs[side], shins[side], bend, forward)
        put(f"{side}_hip", hip)
        put(f"{side}_knee", knee)
        put(f"{side}_ankle", ankle)
        feet = _FOOT_POINTS[side]
        new[:, feet] = ankle[:, None] + leg * (points[:, feet] - at(f"{side}_ankle")[:, None])

    new_neck = root + factors["trunk"] * (neck - pelvis)
    put("neck", new_neck)
    for side in SIDES:
        shoulder = new_neck + factors["shoulders"] * (at(f"{side}_shoulder") - neck)
        elbow = shoulder + factors["upper_arm"] * (at(f"{side}_elbow") - at(f"{side}_shoulder"))
        wrist = elbow + factors["forearm"] * (at(f"{side}_wrist") - at(f"{side}_elbow"))
        for name, value in (("shoulder", shoulder), ("elbow", elbow), ("wrist", wrist)):
            put(f"{side}_{name}", value)
        hand = _HAND_POINTS[side]
        new[:, hand] = wrist[:, None] + factors["arm"] * (points[:, hand] - at(f"{side}_wrist")[:, None])
    ears = points[:, _EARS].mean(axis=1)
    middle = new_neck + factors["neck"] * (ears - neck)
    new[:, _HEAD_POINTS] = middle[:, None] + factors["head"] * (points[:, _HEAD_POINTS] - ears[:, None])
    return new


def _out_of_reach(hip: np.ndarray, reach: np.ndarray, up: np.ndarray) -> np.ndarray:
    """How far [T] a hip, given from the ankle [T, 3], has to sink to come within `reach` [T] of it, or as near as it gets."""
    height = hip @ up
    aside = np.linalg.norm(hip - height[:, None] * up, axis=-1)
    within = np.sqrt(np.maximum(reach**2 - aside**2, 0))
    return np.maximum(height - within, 0)[:, None]


def _two_bones(
    start: np.ndarray, end: np.ndarray, upper: np.ndarray, lower: np.ndarray, bend: np.ndarray, forward: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The joint between two bones from `start` to `end` [T, 3], on the side of `bend`; and the end, nearer if out of reach."""
    way = end - start
    distance = np.linalg.norm(way, axis=-1)
    direction = way / np.maximum(distance, 1e-9)[:, None]
    distance = np.clip(distance, np.abs(upper - lower), upper + lower)
    ahead = forward / np.maximum(np.linalg.norm(forward, axis=-1), 1e-9)[:, None]
    bend = bend + (_UNBENT * (upper + lower))[:, None] * ahead
    bend = bend - np.sum(bend * direction, axis=-1, keepdims=True) * direction
    bend = bend / np.maximum(np.linalg.norm(bend, axis=-1), 1e-9)[:, None]
    along = (distance**2 + upper**2 - lower**2) / (2 * np.maximum(distance, 1e-9))
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0))
    middle = start + along[:, None] * direction + aside[:, None] * bend
    return middle, start + distance[:, None] * direction


def _lengths(points: np.ndarray) -> dict[str, np.ndarray]:
    """Of `Proportions`' fields [T], from keypoints [T, 134, 3]."""

    def joint(name: str) -> np.ndarray:
        return points[..., INDEX[name], :]

    def between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.linalg.norm(one - other, axis=-1)

    pelvis, neck, ears = ((joint(f"left_{part}") + joint(f"right_{part}")) / 2 for part in ("hip", "shoulder", "ear"))
    return {
        "trunk": between(pelvis, neck),
        "neck": between(neck, ears),
        "head": between(joint("left_ear"), joint("right_ear")),
        "shoulders": between(joint("left_shoulder"), joint("right_shoulder")),
        "hips": between(joint("left_hip"), joint("right_hip")),
        **{
            name: np.mean([between(joint(f"{side}_{start}"), joint(f"{side}_{end}")) for side in SIDES], axis=0)
            for name, (start, end) in _LIMBS.items()
        },
    }


def _moved(points: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Points [T, K, 3] by matrices [T, 4, 4]."""
    return np.einsum("tij,tkj->tki", matrices[:, :3, :3], points) + matrices[:, None, :3, 3]
