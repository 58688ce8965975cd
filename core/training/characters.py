"""People to be filmed: a skinned mesh, its paint, and the keypoints it has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..pose.head import head_keypoints, head_visible
from ..pose.skeleton import INDEX, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND
from . import motions
from .anatomy import body_meshes, finger_joints
from .motions import BONE, BONES, SIDED, Body
from .painting import Landmarks, Paint, random_paint
from .shape import Shape, random_shape
from .surface import Mesh, join
from .worn import USUAL_HEAD, worn_meshes


@dataclass(frozen=True)
class Character:
    """A person that can be posed.

    rest    its bones in the rest pose, one frame; `mesh` is skinned to them
    fingers f64 [2, 21, 3]: the joints of the left and the right hand, from the wrist in the hand's frame
    """

    shape: Shape
    paint: Paint
    rest: Body
    mesh: Mesh
    fingers: np.ndarray

    @cached_property
    def limb(self) -> np.ndarray:
        """Of each vertex: 0..3 from the shoulder to the fingertips or from the hip to the toes, f32 [V]; elsewhere 0."""
        bone = self.mesh.weights.argmax(1)
        start, axis = self.rest.start[0][bone], (self.rest.end[0] - self.rest.start[0])[bone]
        along = np.einsum("vi,vi->v", self.mesh.vertices - start, axis) / np.einsum("vi,vi->v", axis, axis)
        before = np.array([SIDED.index(name.split("_", 1)[1]) % 3 if "_" in name else 0 for name in BONES])
        return np.where(bone >= BONE["left_upper_arm"], before[bone] + np.clip(along, 0, 1), 0).astype(np.float32)

    @cached_property
    def landmarks(self) -> Landmarks:
        who, body = self.shape, self.rest
        return Landmarks(
            neck=body.at("neck")[0, 1],
            chest=body.at("chest")[0, 1],
            hips=body.at("pelvis")[0, 1],
            crown=tuple(body.tip("head")[0]),
            head_scale=who.size.head / USUAL_HEAD,
            sleeve=who.sleeve,
            leg=0.7 * who.skirt if who.skirt and not who.coat else who.leg,
            boots=who.boots,
            coat=who.coat,
            scalp=who.hair not in ("bald", "mohawk") and not who.hood,
            collar=who.collar,
        )


def character(rng: np.random.Generator) -> Character:
    """A random procedural person."""
    shape, paint = random_shape(rng), random_paint(rng)
    rest = motions.pose(motions.rest(), shape.size)
    return Character(shape, paint, rest, join([*body_meshes(shape, rest), *worn_meshes(shape, rest)]), finger_joints(shape))


def keypoints(who: Character, body: Body) -> np.ndarray:
    """The 134 keypoints in body space, statures, f64 [T, 134, 3]; NaN where this body has none (face)."""
    points = np.full((len(body.start), KEYPOINT_COUNT, 3), np.nan)
    size = who.shape.size
    points[:, [0, 14, 15, 16, 17]] = head_keypoints(
        body.tip("head"), *np.moveaxis(body.frame("head"), -1, 0), size.head / USUAL_HEAD
    )
    for side, out, hand, fingers in (("left", 1.0, LEFT_HAND, who.fingers[0]), ("right", -1.0, RIGHT_HAND, who.fingers[1])):
        points[:, hand] = body.at(f"{side}_hand")[:, None] + fingers @ np.swapaxes(body.frame(f"{side}_hand"), 1, 2)
        joints = (
            ("shoulder", "upper_arm"),
            ("elbow", "forearm"),
            ("wrist", "hand"),
            ("hip", "thigh"),
            ("knee", "shin"),
            ("ankle", "foot"),
        )
        for name, bone in joints:
            points[:, INDEX[f"{side}_{name}"]] = body.at(f"{side}_{bone}")
        frame, ankle = body.frame(f"{side}_foot"), body.at(f"{side}_foot")
        for name, offset in (
            ("big_toe", (-0.014 * out, -size.ankle * 0.85, size.foot * 0.78)),
            ("small_toe", (0.022 * out, -size.ankle * 0.85, size.foot * 0.61)),
            ("heel", (0.0, -size.ankle * 0.85, -0.026)),
        ):
            points[:, INDEX[f"{side}_{name}"]] = ankle + frame @ np.array(offset)
    points[:, 1] = (points[:, INDEX["left_shoulder"]] + points[:, INDEX["right_shoulder"]]) / 2
    return points


def visible(body: Body, to_camera: np.ndarray, fingers: bool) -> np.ndarray:
    """Which keypoints show, bool [T, 134], to a camera in direction `to_camera` [T, 3] (unit, body space).

    `fingers`: whether the rig has any.
    """
    shown = np.zeros((len(body.start), KEYPOINT_COUNT), bool)
    shown[:, :24] = True
    shown[:, LEFT_HAND] = shown[:, RIGHT_HAND] = fingers
    shown[:, [0, 14, 15, 16, 17]] = head_visible(to_camera, *np.moveaxis(body.frame("head"), -1, 0))
    return shown
