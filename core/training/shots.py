"""Shots: a random person in random motion under a random camera and light, as pictures with everything known about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..pose.camera import project
from . import motions, scenes
from .characters import Character, character, keypoints, visible
from .human import Human
from .motions import BONES, Body
from .painting import REGION_OF, paint
from .renderer import Lights, rasterise, resolve, shade

REFERENCES, CLIP_FRAMES = 4, 12
WIDTH, HEIGHT = 256, 320
HELD_OUT = 1_000_000  # seeds from here on are for evaluation: training draws below
_SUPERSAMPLE = 2


@dataclass(frozen=True)
class Shot:
    """One character: single pictures from around the front, then clips; F frames in all.

    pictures    uint8 [F, 3, H, W] RGB: background, shadow, everything
    figures     uint8 [F, 3, H, W]: the person alone over black, that is multiplied by the matte
    plates      uint8 [F, 3, H, W]: what is behind the person, with its shadow: figures + (1 - mattes) * plates = pictures
    mattes      uint8 [F, 1, H, W]: the person's coverage, antialiased
    regions     uint8 [F, H, W]: `painting.Region` (0 background, 1 skin, 2 hair, 3 top, 4 bottom, 5 shoes, 6 accessories)
    points_cam  f32 [F, 134, 3]: keypoints in camera space, metres, x right, y down, z forward; 0 where there is none
    intrinsics  f32 [F, 3, 3]: pixels
    visible     bool [F, 134]: as `PoseClip.visible`
    """

    pictures: Tensor
    figures: Tensor
    plates: Tensor
    mattes: Tensor
    regions: Tensor
    points_cam: np.ndarray
    intrinsics: np.ndarray
    visible: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """Keypoints in pixels, f32 [F, 134, 2]."""
        return project(self.points_cam[:, None], self.intrinsics, np.zeros(len(self.points_cam), bool))[:, 0]

    @property
    def drawable(self) -> np.ndarray:
        """Which keypoints can be drawn, bool [F, 134]."""
        return self.visible & (self.points_cam[..., 2] > 1e-4)


def shoot(
    seed: int,
    width: int = WIDTH,
    height: int = HEIGHT,
    clip_frames: int = CLIP_FRAMES,
    human: Human | None = None,
    yaw: float | None = None,
    references: int = REFERENCES,
    clips: int = 1,
) -> Shot:
    """The shot of this seed, always the same; width and height are multiples of 8.

    Of the `human` if given, else of a procedural person: `references` single pictures, and `clips` of `clip_frames` each, every
    one of a motion and under a camera of its own. `yaw`: how far a clip's camera stands around the person, radians, 0 in front;
    else anywhere. Seeds from `HELD_OUT` on are for evaluation: training draws from below.
    """
    rng = np.random.default_rng([20261121, seed])
    who = human.dressed(rng) if human else character(rng)
    stature = rng.uniform(1.0, 2.0)  # metres
    fingers = bool(rng.random() < 0.6 and np.isfinite(who.fingers).all())  # whether its rig has any; its hands have
    same_place = rng.random() < 0.5
    place = scenes.background(rng, width, height)
    lit = scenes.lights(rng)
    strength = rng.uniform(0.2, 0.6) if rng.random() < 0.6 else 0.0
    frames = []
    for scene in range(references + clips):
        is_clip = scene >= references
        if is_clip and not same_place:
            place, lit = scenes.background(rng, width, height), (scenes.lights(rng) if rng.random() < 0.3 else lit)
        kind = rng.choice(motions.KINDS) if is_clip else rng.choice(["idle", "walk", "wave", "act"], p=[0.7, 0.1, 0.12, 0.08])
        angles = motions.motion(rng, kind, clip_frames if is_clip else 1, fps=float(rng.choice([24, 24, 12])))
        body = motions.pose(angles, who.shape.size)
        posed = _Posed(who, body, stature, fingers)
        seen_by = scenes.camera(
            rng, posed.vertices.reshape(-1, 3)[::7], width, height, easy=not is_clip, yaw=yaw if is_clip else None
        )
        for frame in range(len(body.start)):
            frames.append(_Frame(posed, frame, seen_by, lit, place, strength, width, height))
    return Shot(
        **{
            name: torch.stack([getattr(f, name) for f in frames])
            for name in ("pictures", "figures", "plates", "mattes", "regions")
        },
        **{name: np.stack([getattr(f, name) for f in frames]) for name in ("points_cam", "intrinsics", "visible")},
    )


class _Posed:
    """The mesh moved by the bones, body space in metres: vertices, normals f64 [T, V, 3]."""

    def __init__(self, who: Character, body: Body, stature: float, fingers: bool):
        self.who, self.body, self.stature, self.fingers = who, body, stature, fingers
        mesh, rest = who.mesh, who.rest
        turn = (body.frames @ np.swapaxes(rest.frames, -1, -2)).astype(np.float32)  # [T, B, 3, 3]
        shift = (body.start - np.einsum("tbij,bj->tbi", turn, rest.start[0])).astype(np.float32)
        matrices = np.concatenate([turn, shift[..., None]], -1).reshape(len(turn), len(BONES), 12)
        moved = (mesh.weights @ matrices).reshape(len(turn), -1, 3, 4)  # [T, V, 3, 4]
        self.vertices = stature * (np.einsum("tvij,vj->tvi", moved[..., :3], mesh.vertices) + moved[..., 3])
        self.normals = np.einsum("tvij,vj->tvi", moved[..., :3], mesh.normals)
        self.faces = torch.from_numpy(mesh.faces)
        self.attributes = torch.from_numpy(np.concatenate([mesh.vertices, who.limb[:, None]], 1))
        self.parts = torch.from_numpy(mesh.parts)


class _Frame:
    """One picture and what is known about it: the fields of `Shot`, without F."""

    def __init__(
        self, posed: _Posed, t: int, camera: scenes.Camera, lit: Lights, place: Tensor, strength: float, width: int, height: int
    ):
        who, body, stature = posed.who, posed.body, posed.stature
        vertices = torch.tensor(camera.view(posed.vertices[t]), dtype=torch.float32)
        normals = torch.tensor(posed.normals[t] @ camera.rotation.T, dtype=torch.float32)
        finer = torch.tensor(np.diag([_SUPERSAMPLE, _SUPERSAMPLE, 1.0]) @ camera.intrinsics, dtype=torch.float32)
        fragments = rasterise(vertices, posed.faces, finer, width * _SUPERSAMPLE, height * _SUPERSAMPLE)
        values = fragments.interpolate(posed.faces, torch.cat([posed.attributes, normals, vertices], 1))
        rest, limb, normal, position = values.split([3, 1, 3, 3], 1)
        slot = paint(who.paint, who.landmarks, rest, limb[:, 0], posed.parts[posed.faces[fragments.face, 0]])
        colour = shade(who.paint.palette[slot], normal, position, who.paint.gloss[slot], scenes.in_camera(lit, camera.rotation))
        figure = resolve(fragments.sample, colour, width, height, _SUPERSAMPLE)
        shade_below = scenes.shadow(posed.vertices[t], camera, lit.key.numpy(), width, height, strength) if strength else 1.0
        plate = place * shade_below
        picture = figure[:3] + (1 - figure[3:]) * plate
        self.pictures, self.figures, self.plates, self.mattes = (
            (value * 255).round().byte() for value in (picture, figure[:3], plate, figure[3:])
        )

        seen = torch.zeros((height * _SUPERSAMPLE, width * _SUPERSAMPLE), dtype=torch.uint8)
        seen.view(-1)[fragments.sample] = REGION_OF[slot]
        self.regions = seen[_SUPERSAMPLE // 2 :: _SUPERSAMPLE, _SUPERSAMPLE // 2 :: _SUPERSAMPLE].contiguous()

        points = keypoints(who, body)[t] * stature
        self.points_cam = np.nan_to_num(camera.view(points)).astype(np.float32)
        self.intrinsics = camera.intrinsics.astype(np.float32)
        towards = -self.points_cam[0] / np.linalg.norm(self.points_cam[0]) @ camera.rotation  # from the head, in body space
        self.visible = visible(body, np.broadcast_to(towards, (len(body.start), 3)), posed.fingers)[t]
