"""People to be filmed: a skinned mesh, its paint, and the keypoints it has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..pose.head import head_keypoints, head_visible
from ..pose.skeleton import INDEX, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND
from . import motions
from .anatomy import body_meshes, finger_joints
from .motions import BONE, BONES, Body
from .painting import Landmarks, Paint, random_paint
from .shape import Shape, random_shape
from .surface import Mesh, join
from .worn import USUAL_HEAD, worn_meshes

SECTORS = 8  # around a bone: with its number, the patch that a spot of the surface belongs to
PATCHES = len(BONES) * SECTORS


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
    def patches(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each vertex: its patch uint8 [V], and how far along the bone it is f32 [V], 0..1."""
        bone = self.mesh.weights.argmax(1)
        start, axis = self.rest.start[0][bone], (self.rest.end[0] - self.rest.start[0])[bone]
        offset = self.mesh.vertices - start
        along = np.einsum("vi,vi->v", offset, axis) / np.einsum("vi,vi->v", axis, axis)
        local = np.einsum("vji,vj->vi", self.rest.frames[0][bone], offset - along[:, None] * axis)
        up = np.where(np.isin(bone, [BONE["left_foot"], BONE["right_foot"]]), local[:, 1], local[:, 2])
        sector = ((np.arctan2(local[:, 0], up) / (2 * np.pi) + 1 + 0.5 / SECTORS) * SECTORS).astype(int) % SECTORS
        return (bone * SECTORS + sector).astype(np.uint8), np.clip(along, 0, 1).astype(np.float32)

    @cached_property
    def patch_offsets(self) -> np.ndarray:
        """From a bone's axis to the middle of each of its patches, in the bone's frame: f64 [bones, SECTORS, 3]."""
        bone = self.patches[0] // SECTORS
        rest = self.rest
        offset = np.einsum("vji,vj->vi", rest.frames[0][bone], self.mesh.vertices - rest.start[0][bone])
        axis = np.einsum("bji,bj->bi", rest.frames[0], rest.end[0] - rest.start[0])
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        offset -= np.einsum("vi,vi->v", offset, axis[bone])[:, None] * axis[bone]
        count = np.bincount(self.patches[0], minlength=PATCHES)
        sums = np.stack([np.bincount(self.patches[0], offset[:, k], PATCHES) for k in range(3)], 1)
        return (sums / np.maximum(count, 1)[:, None]).reshape(len(BONES), SECTORS, 3)

    @cached_property
    def limb(self) -> np.ndarray:
        """Of each vertex: 0..3 from the shoulder to the fingertips or from the hip to the toes, f32 [V]; elsewhere 0."""
        bone = self.mesh.weights.argmax(1)
        order = np.zeros(len(BONES))
        for side in ("left", "right"):
            for chain in (("upper_arm", "forearm", "hand"), ("thigh", "shin", "foot")):
                order[[BONE[f"{side}_{part}"] for part in chain]] = [0, 1, 2]
        limbs = bone >= BONE["left_upper_arm"]
        return np.where(limbs, order[bone] + self.patches[1], 0).astype(np.float32)

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
