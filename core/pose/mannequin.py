"""A body around a clip's joints: round cones, each with the parts that its surface belongs to. numpy only.

Widths are shares of the stature, so that a rig of any scale gets a person's body. Directions such as "front" are unit vectors
in camera space; a part's two halves are told apart by which way their surface faces. Parts are those of DensePose (Güler et
al., 2018), numbered from 1; joints those of SMPL (Loper et al., 2015), numbered from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .clip import PoseClip
from .skeleton import INDEX
from .surface import NEAR, RoundCone

# Lengths in statures: how tall somebody is follows from those of their limbs that are seen.
_PROPORTIONS = {("shoulder", "elbow"): 0.186, ("elbow", "wrist"): 0.146, ("hip", "knee"): 0.245, ("knee", "ankle"): 0.246}
_TRUNK = 0.286
_USUAL_STATURE = 1.7  # metres, of somebody of whom no limb is ever seen


@dataclass(frozen=True)
class BodyPart:
    """One cone of the body.

    parts    DensePose's number where the surface faces along `facing`, and where it faces away
    facing   unit vector f64 [3]
    joints   SMPL's joints that move it, from the cone's start to its end, each an equal share of it
    """

    cone: RoundCone
    parts: tuple[int, int]
    facing: np.ndarray
    joints: tuple[int, ...]


def statures(clip: PoseClip) -> np.ndarray:
    """How tall the clip's people stand, f64 [P], metres: constant over time, whatever they do."""
    shown, points = clip.visible, clip.points_cam.astype(float)
    lengths, shares = np.zeros(shown.shape[:2]), np.zeros(shown.shape[:2])

    def add(length: np.ndarray, seen: np.ndarray, share: float) -> None:
        lengths[seen] += length[seen]
        shares[seen] += share

    for (upper, lower), share in _PROPORTIONS.items():
        for side in ("left", "right"):
            start, end = INDEX[f"{side}_{upper}"], INDEX[f"{side}_{lower}"]
            length = np.linalg.norm(points[:, :, start] - points[:, :, end], axis=-1)
            add(length, shown[:, :, start] & shown[:, :, end], share)
    hips = [INDEX["left_hip"], INDEX["right_hip"]]
    trunk = np.linalg.norm(points[:, :, hips].mean(2) - points[:, :, INDEX["neck"]], axis=-1)
    add(trunk, shown[:, :, hips].all(2) & shown[:, :, INDEX["neck"]], _TRUNK)
    estimates = np.where(shares > 0, lengths / np.maximum(shares, 1e-9), np.nan)
    known = ~np.isnan(estimates).all(0)
    tall = np.full(estimates.shape[1], _USUAL_STATURE)
    tall[known] = np.nanmedian(estimates[:, known], axis=0)
    return tall


def body(points: np.ndarray, shown: np.ndarray, stature: float) -> list[BodyPart]:
    """The body around one person's keypoints [134, 3], camera space, where `shown` bool [134]. Without joints, no parts."""
    return list(_Person(points.astype(float), shown & (points[:, 2] > NEAR), stature).parts())


def bodies(clip: PoseClip, frame: int, tall: np.ndarray) -> list[BodyPart]:
    """Those of everybody in frame `frame` (an index) of the clip, whose `statures` are `tall`."""
    one = clip.select([frame])
    shown = one.drawable()[0]
    return [part for person, stature in enumerate(tall) for part in body(one.points_cam[0, person], shown[person], stature)]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _across(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """What of a vector stands at right angles to a unit vector."""
    return vector - (vector @ axis) * axis


def _turn(vector: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The vector, turned as the shortest way from unit vector `start` to `end` turns (Rodrigues)."""
    axis, cosine = np.cross(start, end), float(start @ end)
    if cosine < -0.999:  # which way round is open: keep it
        return vector
    return vector + np.cross(axis, vector) + np.cross(axis, np.cross(axis, vector)) / (1 + cosine)


class _Person:
    def __init__(self, points: np.ndarray, shown: np.ndarray, stature: float):
        self.points, self.shown, self.stature = points, shown, stature

    def at(self, name: str) -> np.ndarray | None:
        number = INDEX[name]
        return self.points[number] if self.shown[number] else None

    def have(self, *names: str) -> bool:
        return all(self.shown[INDEX[name]] for name in names)

    def cone(self, start, end, radii: tuple[float, float], parts, facing, joints, flat=None) -> BodyPart:
        """`radii` are in statures."""
        first, second = (radius * self.stature for radius in radii)
        return BodyPart(RoundCone(start, end, first, second, flat), parts, _unit(facing), joints)

    def parts(self) -> Iterator[BodyPart]:
        self.left = self._left()
        if self.left is None:  # neither shoulders, hips nor ears: no way to tell front from back
            return
        neck, hips = self.at("neck"), self._middle("left_hip", "right_hip")
        self.up = _unit(neck - hips) if neck is not None and hips is not None else self._head_up()
        self.left = _unit(_across(self.left, self.up))
        self.front = np.cross(self.left, self.up)
        if neck is not None and hips is not None:
            yield from self._torso(neck)
        if neck is not None:
            yield from self._head(neck)
        for side in ("left", "right"):
            yield from self._arm(side)
            yield from self._leg(side)

    def _middle(self, *names: str) -> np.ndarray | None:
        return np.mean([self.at(name) for name in names], axis=0) if self.have(*names) else None

    def _left(self) -> np.ndarray | None:
        for joint in ("shoulder", "hip", "ear"):
            if self.have(f"left_{joint}", f"right_{joint}"):
                return _unit(self.at(f"left_{joint}") - self.at(f"right_{joint}"))
        return None

    def _head_up(self) -> np.ndarray:
        """Where hips or neck are not seen: from the shoulders to the head, else up in the picture."""
        neck, ears = self.at("neck"), self._middle("left_ear", "right_ear")
        return _unit(ears - neck) if neck is not None and ears is not None else np.array([0.0, -1.0, 0.0])

    def _torso(self, neck: np.ndarray) -> Iterator[BodyPart]:
        size, hips = self.stature, self._middle("left_hip", "right_hip")
        for side, collar in (("left", 13), ("right", 14)):
            shoulder = self.at(f"{side}_shoulder")
            if shoulder is not None:
                yield self.cone(neck, shoulder, (0.046, 0.036), (2, 1), self.front, (collar,))
        chest, waist = neck - 0.072 * size * self.up, hips + 0.09 * size * self.up
        for start, end, radii, joints in (
            (chest, waist, (0.092, 0.074), (9, 6)),
            (waist, hips, (0.074, 0.085), (3, 0)),
        ):
            yield self.cone(start, end, radii, (2, 1), self.front, joints, flat=self.front)

    def _head(self, neck: np.ndarray) -> Iterator[BodyPart]:
        size, left = self.stature, self.left
        if self.have("left_ear", "right_ear"):
            left = _unit(self.at("left_ear") - self.at("right_ear"))
        elif self.have("left_eye", "right_eye"):
            left = _unit(self.at("left_eye") - self.at("right_eye"))
        centre = self._head_centre(left)
        if centre is None:
            return
        nose = self.at("nose")
        front = nose - centre if nose is not None else np.cross(left, _unit(centre - neck))
        front = _unit(_across(front, left))
        up = np.cross(front, left)
        skull, jaw = centre + 0.025 * size * up, centre + size * (0.030 * front - 0.030 * up)
        yield self.cone(skull - 0.008 * size * front, skull + 0.016 * size * front, (0.055, 0.050), (24, 23), left, (15,))
        yield self.cone(skull + 0.016 * size * front, jaw, (0.050, 0.030), (24, 23), left, (15,))
        yield self.cone(neck, centre - 0.02 * size * up, (0.036, 0.032), (24, 23), left, (12,))

    def _head_centre(self, left: np.ndarray) -> np.ndarray | None:
        """The middle between the ears; from one ear where the other is hidden, from the nose where both are."""
        if self.have("left_ear", "right_ear"):
            return self._middle("left_ear", "right_ear")
        for name, sign in (("left_ear", -1), ("right_ear", 1)):
            if self.have(name):
                return self.at(name) + sign * 0.049 * self.stature * left
        if self.have("nose"):
            return self.at("nose") - 0.075 * self.stature * self.front
        return None

    def _arm(self, side: str) -> Iterator[BodyPart]:
        is_left = side == "left"
        shoulder, elbow, wrist = (self.at(f"{side}_{joint}") for joint in ("shoulder", "elbow", "wrist"))
        if shoulder is None or elbow is None:
            return
        upper = _unit(elbow - shoulder)
        # An arm that hangs down shows its inside to the body; the elbow bends in the plane at right angles to that.
        inward = _turn(-self.left if is_left else self.left, -self.up, upper)
        fore = _unit(wrist - elbow) if wrist is not None else upper
        bend = np.cross(upper, fore) if is_left else np.cross(fore, upper)
        inside = _across(0.3 * inward + bend, upper)
        yield self.cone(shoulder, elbow, (0.033, 0.024), (15, 17) if is_left else (16, 18), inside, (16 if is_left else 17,))
        if wrist is None:
            return
        inside = _across(_turn(_unit(inside), upper, fore), fore)
        palm = self._palm(side)
        if palm is not None:
            inside = _across(_unit(inside) + palm, fore)
        yield self.cone(elbow, wrist, (0.024, 0.016), (19, 21) if is_left else (20, 22), inside, (18 if is_left else 19,))
        yield from self._hand(side, wrist, fore)

    def _palm(self, side: str) -> np.ndarray | None:
        """Where the palm faces."""
        names = [f"{side}_hand_{joint}" for joint in ("wrist", "index_1", "little_1")]
        if not self.have(*names):
            return None
        wrist, index, little = (self.at(name) for name in names)
        facing = np.cross(little - wrist, index - wrist)
        return _unit(facing if side == "left" else -facing)

    def _hand(self, side: str, wrist: np.ndarray, fore: np.ndarray) -> Iterator[BodyPart]:
        part, joints = ((4, 4), (20,)) if side == "left" else ((3, 3), (21,))
        palm = self._palm(side)
        if palm is None:
            yield self.cone(wrist, wrist + 0.075 * self.stature * fore, (0.018, 0.014), part, fore, joints)
            return
        start = self.at(f"{side}_hand_wrist")
        for finger in ("thumb", "index", "middle", "ring", "little"):
            names = [f"{side}_hand_{finger}_{number}" for number in (1, 2, 3, 4)]
            chain = [self.at(name) for name in names if self.have(name)]
            if chain:
                yield self.cone(start, chain[0], (0.014, 0.010), part, palm, joints)
            for first, second in pairwise(chain):
                yield self.cone(first, second, (0.0075, 0.0065), part, palm, (joints[0] + 2,))

    def _leg(self, side: str) -> Iterator[BodyPart]:
        is_left = side == "left"
        hip, knee, ankle = (self.at(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
        if hip is None or knee is None:
            return
        thigh = _unit(knee - hip)
        shin = _unit(ankle - knee) if ankle is not None else thigh
        # A knee bends backwards: where it does, it says what is in front, else the pelvis does.
        front = _across(0.3 * _turn(self.front, -self.up, thigh) - shin, thigh)
        yield self.cone(hip, knee, (0.052, 0.034), (10, 8) if is_left else (9, 7), front, (1 if is_left else 2,))
        if ankle is None:
            return
        front = _across(0.3 * _turn(_unit(front), thigh, shin) + thigh, shin)
        heel, toe = self.at(f"{side}_heel"), self._middle(f"{side}_big_toe", f"{side}_small_toe")
        if heel is not None and toe is not None:
            front = _across(_unit(front) + _unit(toe - heel), shin)
        yield self.cone(knee, ankle, (0.034, 0.021), (14, 12) if is_left else (13, 11), front, (4 if is_left else 5,))
        if toe is None:
            return
        part, joints = ((5, 5), (7, 10)) if is_left else ((6, 6), (8, 11))
        for name in ("big_toe", "small_toe"):
            yield self.cone(ankle, self.at(f"{side}_{name}"), (0.021, 0.012), part, front, joints)
        if heel is not None:
            yield self.cone(heel, toe, (0.018, 0.014), part, front, joints)
