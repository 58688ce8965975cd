"""A body as fourteen tapered capsules around its 3D joints: what the body map and the warped reference are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..pose.skeleton import INDEX

PARTS = (
    "torso", "head", "left_upper_arm", "right_upper_arm", "left_forearm", "right_forearm", "left_hand", "right_hand",
    "left_thigh", "right_thigh", "left_shin", "right_shin", "left_foot", "right_foot",
)  # fmt: skip
PART_COUNT = len(PARTS)
TORSO, HEAD = 0, 1
NEIGHBOURS = (
    (0, 1), (0, 2), (0, 3), (2, 4), (3, 5), (4, 6), (5, 7), (0, 8), (0, 9), (8, 10), (9, 11), (10, 12), (11, 13),
)  # fmt: skip

# Radii at both ends, in lengths of the trunk (neck to hips) of an average adult; those of torso and head follow their widths.
_RADII = {
    "upper_arm": (0.11, 0.085), "forearm": (0.085, 0.06), "hand": (0.07, 0.07),
    "thigh": (0.16, 0.115), "shin": (0.115, 0.075), "foot": (0.08, 0.075),
}  # fmt: skip
_JOINTS = {
    "upper_arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"), "thigh": ("hip", "knee"), "shin": ("knee", "ankle"),
}  # fmt: skip
_DEPTH_OF_WIDTH = 0.62  # a torso's depth over its width
_HEAD_OF_EARS = 0.78  # a head's radius over the distance between its ears
_HEAD_OF_TRUNK = 0.25  # its radius over the trunk's length, where there are no ears


@dataclass(frozen=True)
class Body:
    """N bodies of P parts, seen by their cameras.

    ends    f32 [N, P, 2, 2]  pixels: where the axis starts (nearer the pelvis; the head: its middle, twice) and ends
    radii   f32 [N, P, 2]     pixels, as seen from here
    depth   f32 [N, P, 2]     of the axis' ends, trunk lengths behind the body's middle
    thick   f32 [N, P]        mean radius towards the camera, trunk lengths
    turn    f32 [N, P]        of the torso: the angle that its left side turns towards the camera, radians; others 0
    frame   f32 [N, 3, 3]     the head's left, up and forward (rows), in camera space
    present bool [N, P]
    """

    ends: Tensor
    radii: Tensor
    depth: Tensor
    thick: Tensor
    turn: Tensor
    frame: Tensor
    present: Tensor

    def __getitem__(self, index: slice | Tensor | list[int]) -> Body:
        return Body(**{entry.name: getattr(self, entry.name)[index] for entry in fields(self)})

    def to(self, device: torch.device) -> Body:
        return Body(**{entry.name: getattr(self, entry.name).to(device) for entry in fields(self)})


def body_of(points: Tensor, visible: Tensor, intrinsics: Tensor, orthographic: Tensor) -> Body:
    """The bodies of keypoints f32 [N, 134, 3], camera space, metres, that are there where `visible` bool [N, 134].

    intrinsics f32 [N, 3, 3] pixels; orthographic bool [N]: its scale is pixels a metre.
    """
    count = len(points)

    def at(*names: str) -> Tensor:
        return points[:, [INDEX[name] for name in names]]

    def has(*names: str) -> Tensor:
        return visible[:, [INDEX[name] for name in names]].all(1)

    hips, shoulders = at("left_hip", "right_hip"), at("left_shoulder", "right_shoulder")
    pelvis, neck = hips.mean(1), shoulders.mean(1)
    trunk = (neck - pelvis).norm(dim=-1).clamp(min=1e-3)  # [N] metres
    starts, ends, radii, present = [], [], [], []

    def add(start: Tensor, end: Tensor, first: Tensor, last: Tensor, there: Tensor) -> None:
        starts.append(start)
        ends.append(end)
        radii.append(torch.stack((first, last), 1))
        present.append(there)

    trunk_there = has("left_hip", "right_hip", "left_shoulder", "right_shoulder")
    across = (shoulders[:, 0] - shoulders[:, 1]) + (hips[:, 0] - hips[:, 1])  # to the body's own left
    shoulder_width, hip_width = ((pair[:, 0] - pair[:, 1]).norm(dim=-1) for pair in (shoulders, hips))
    waist = torch.maximum(0.75 * hip_width, 0.24 * trunk)
    add(pelvis, neck, waist, torch.maximum(0.5 * shoulder_width, 0.2 * trunk), trunk_there)

    frame, middle, radius, head_there = _head(points, visible, neck, trunk, across)
    add(middle, middle, radius, radius, head_there)

    for part in _RADII:
        for side in ("left", "right"):
            if part in _JOINTS:
                first, last = (f"{side}_{joint}" for joint in _JOINTS[part])
                start, end, there = at(first)[:, 0], at(last)[:, 0], has(first, last)
            elif part == "hand":
                start, end, there = _hand(at, has, side)
            else:
                start, there = at(f"{side}_ankle")[:, 0], has(f"{side}_ankle", f"{side}_big_toe")
                end = at(f"{side}_big_toe", f"{side}_small_toe").mean(1)
            add(start, end, *(trunk * share for share in _RADII[part]), there)

    axis = torch.stack((torch.stack(starts, 1), torch.stack(ends, 1)), 2)  # [N, P, 2, 3]
    radius = torch.stack(radii, 1)  # [N, P, 2] metres
    depth = axis[..., 2]
    near = torch.where(orthographic[:, None, None], 1.0, depth.clamp(min=0.05))
    plane = torch.einsum("nij,npej->npei", intrinsics[:, :2, :2], axis[..., :2] / near[..., None])
    pixels = plane + intrinsics[:, None, None, :2, 2]
    scale = (intrinsics[:, 0, 0] + intrinsics[:, 1, 1])[:, None, None] / 2 / near  # pixels a metre
    middle_depth = pelvis[:, 2] / 2 + neck[:, 2] / 2
    in_front = orthographic[:, None] | (depth > 0.05).all(-1)

    thick = radius.mean(-1) / trunk[:, None]
    thick[:, TORSO] = thick[:, TORSO] * _DEPTH_OF_WIDTH
    turn = torch.zeros(count, PART_COUNT, device=points.device)
    turn[:, TORSO] = _turn(across, (pelvis + neck) / 2, pixels[:, TORSO], orthographic)
    width = (turn[:, TORSO].cos() ** 2 + (_DEPTH_OF_WIDTH * turn[:, TORSO].sin()) ** 2).sqrt()
    radius_seen = radius * scale
    radius_seen[:, TORSO] = radius_seen[:, TORSO] * width[:, None]
    return Body(
        ends=pixels,
        radii=radius_seen.clamp(min=0.5),
        depth=(depth - middle_depth[:, None, None]) / trunk[:, None, None],
        thick=thick,
        turn=turn,
        frame=frame,
        present=torch.stack(present, 1) & in_front,
    )


def _turn(across: Tensor, middle: Tensor, axis: Tensor, orthographic: Tensor) -> Tensor:
    """How far the left side (`across` [N, 3]) turns towards the camera, about the axis [N, 2, 2] in the picture."""
    up = _unit(axis[:, 1] - axis[:, 0])
    right = torch.stack((-up[:, 1], up[:, 0]), 1)
    ahead = torch.tensor([0.0, 0.0, 1.0], device=across.device)
    ray = torch.where(orthographic[:, None], ahead, _unit(middle))
    return torch.atan2(-(across * ray).sum(1), (across[:, :2] * right).sum(1))


def _hand(at, has, side: str) -> tuple[Tensor, Tensor, Tensor]:
    """From the wrist to the middle finger's knuckles; a hand without fingers goes on as its forearm does."""
    elbow, wrist, knuckle = (at(name)[:, 0] for name in (f"{side}_elbow", f"{side}_wrist", f"{side}_hand_middle_2"))
    known = has(f"{side}_hand_middle_2")
    guess = wrist + 0.35 * (wrist - elbow)
    return wrist, torch.where(known[:, None], knuckle, guess), has(f"{side}_elbow", f"{side}_wrist")


def _head(points: Tensor, visible: Tensor, neck: Tensor, trunk: Tensor, across: Tensor) -> tuple[Tensor, ...]:
    """The head's frame [N, 3, 3], middle [N, 3], radius [N] and whether it is there [N].

    A detector leaves out what it does not see of a turned head; our own sampler knows it all the same. Where a point is absent
    and its coordinates are nowhere near the neck, the head looks where the chest does.
    """
    names = ("nose", "left_ear", "right_ear")
    nose, left, right = (points[:, INDEX[name]] for name in names)
    close = torch.stack([(points[:, INDEX[name]] - neck).norm(dim=-1) < 1.5 * trunk for name in names], 1)
    known = (visible[:, [INDEX[name] for name in names]] | close).all(1)[:, None]
    ears = (left + right) / 2
    trunk_up = _unit(neck - (points[:, INDEX["left_hip"]] + points[:, INDEX["right_hip"]]) / 2)
    up = torch.where(known, _unit(ears - neck), trunk_up)
    side = _unit(torch.where(known, left - right, across))
    to_nose = nose - ears
    level = to_nose + 0.16 * to_nose.norm(dim=-1, keepdim=True) * up  # a nose is a little below the ears
    ahead = torch.where(known, _unit(level), side.cross(up, dim=-1))
    ahead = _unit(ahead - (ahead * side).sum(-1, keepdim=True) * side)
    # Camera space has y down, so left x up points out of the face there too: both are right-handed.
    crown = ahead.cross(side, dim=-1)
    radius = torch.where(known[:, 0], _HEAD_OF_EARS * (left - right).norm(dim=-1), _HEAD_OF_TRUNK * trunk)
    middle = torch.where(known, ears + 0.18 * radius[:, None] * crown, neck + 1.3 * radius[:, None] * crown)
    there = (visible[:, INDEX["left_shoulder"]] & visible[:, INDEX["right_shoulder"]]) | known[:, 0]
    return torch.stack((side, crown, ahead), 1), middle, radius, there


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors, dim=-1, eps=1e-6)
