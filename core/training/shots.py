"""Shots: a random person in random motion under a random camera and light, as pictures with their keypoints."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import characters, motions
from .renderer import Cones, Lights, render

REFERENCES, CLIPS, CLIP_FRAMES = 4, 1, 12
FRAMES = REFERENCES + CLIPS * CLIP_FRAMES  # pictures a character


@dataclass(frozen=True)
class Shot:
    """One character: `REFERENCES` single pictures, then `CLIPS` clips of `CLIP_FRAMES` frames.

    pictures uint8 [FRAMES, 3, H, W] RGB; mattes uint8 [FRAMES, 1, H, W];
    points f32 [FRAMES, 134, 2] pixels; drawable bool [FRAMES, 134]
    cone uint8, along f32 [FRAMES, H/8, W/8]: the surface that is seen, see `renderer.Render`
    axes f32 [FRAMES, cones, 2, 2]: both ends of every cone, pixels
    """

    pictures: Tensor
    mattes: Tensor
    points: np.ndarray
    drawable: np.ndarray
    cone: Tensor
    along: Tensor
    axes: Tensor


def shoot(seed: int, width: int, height: int, chunk: int = 4) -> Shot:
    """Render the character of this seed, `chunk` frames at a time."""
    rng = np.random.default_rng([20261120, seed])
    who = characters.character(rng)
    usual = rng.uniform(0.68, 0.97)
    scenes = [_Scene(rng, who, usual, 1, width, height, reference=True) for _ in range(REFERENCES)]
    scenes += [_Scene(rng, who, usual, CLIP_FRAMES, width, height, reference=False) for _ in range(CLIPS)]

    light = rng.normal(size=3) * [1, 0.6, 0.4] + [0, -0.9, 1.1]
    light /= np.linalg.norm(light)
    ground = _background(rng, width, height)
    cones = Cones(*(torch.from_numpy(np.concatenate(parts)) for parts in zip(*(scene.cones for scene in scenes), strict=True)))
    ambient, shine = rng.uniform(0.3, 0.75), rng.uniform(0, 0.25) if rng.random() < 0.3 else 0.0
    renders = []
    for start in range(0, FRAMES, chunk):
        part = Cones(*(getattr(cones, name)[start : start + chunk] for name in ("ends", "radii", "colours", "cut", "stripes")))
        n = len(part.ends)
        lights = Lights(
            torch.tensor(light, dtype=torch.float32).expand(n, 3), torch.full((n,), ambient), torch.full((n,), shine)
        )
        renders.append(render(part, lights, ground.expand(n, 3, height, width)))
    return Shot(
        pictures=torch.cat([(part.pictures * 255).round().byte() for part in renders]),
        mattes=torch.cat([(part.mattes * 255).round().byte() for part in renders]),
        points=np.concatenate([scene.points for scene in scenes]),
        drawable=np.concatenate([scene.drawable for scene in scenes]),
        cone=torch.cat([part.cone for part in renders]),
        along=torch.cat([part.along for part in renders]),
        axes=cones.ends[..., :2],
    )


class _Scene:
    """One motion seen by one camera, the figure about `usual` of the height tall: cones and keypoints in screen space."""

    def __init__(self, rng, who, usual: float, frames: int, width: int, height: int, reference: bool):
        kind = rng.choice(motions.KINDS, p=[0.6, 0.1, 0, 0.3, 0, 0, 0, 0, 0] if reference else None)
        angles = motions.motion(rng, kind, frames)
        facing = rng.normal(0, 0.5) if reference or rng.random() < 0.3 else rng.uniform(-np.pi, np.pi)
        angles.yaw = angles.yaw + facing
        body = motions.pose(angles, who.size)
        pitch = rng.normal(0, 0.1)  # the camera looks down by this
        c, s = np.cos(pitch), np.sin(pitch)
        to_screen = np.array([[1, 0, 0], [0, -c, s], [0, s, c]])  # body x, y, z to right, down, towards the viewer
        fields = characters.cones(who, body)
        points = characters.keypoints(who, body) @ to_screen.T
        shown = characters.visible(body, np.broadcast_to(to_screen[2], body.pelvis.shape))

        ends = fields["ends"] @ to_screen.T.astype(np.float32)
        close_up = rng.random() < 0.08
        scale = height * (rng.uniform(1.1, 1.7) if close_up else usual * rng.uniform(0.85, 1.1))
        drawn = fields["radii"].max(-1)[..., None] > 0
        low = np.where(drawn, ends.min(2)[..., :2] - fields["radii"].max(-1)[..., None], np.inf).min((0, 1))
        high = np.where(drawn, ends.max(2)[..., :2] + fields["radii"].max(-1)[..., None], -np.inf).max((0, 1))
        span = (high - low) * scale
        if not close_up:
            scale *= min(1.0, *(np.array([width, height]) * 0.98 / span))
        margin = np.maximum(np.array([width, height]) - (high - low) * scale, 0)
        middle = np.array([width / 2, height / 2]) + margin * rng.uniform(-0.42, 0.42, 2) * [0.6, 0.8]
        centre = (low + high) / 2
        if close_up:
            centre[1] = low[1] + rng.uniform(0.25, 0.4) * (high - low)[1]
        shift = np.append(middle - centre * scale, 0)
        self.cones = (
            (ends * scale + shift).astype(np.float32), (fields["radii"] * scale).astype(np.float32),
            fields["colours"], fields["cut"], fields["stripes"],
        )  # fmt: skip
        self.points = np.nan_to_num(points * scale + shift).astype(np.float32)[..., :2]
        self.drawable = shown


def _background(rng: np.random.Generator, width: int, height: int) -> Tensor:
    """A plain colour or a soft vertical gradient, f32 [1, 3, H, W]."""

    def colour():
        return np.array(hsv_to_rgb(rng.random(), rng.uniform(0, 0.35) * (rng.random() < 0.6), rng.uniform(0.15, 1)))

    top = colour()
    bottom = top * rng.uniform(0.75, 1.1) if rng.random() < 0.5 else top
    ramp = np.linspace(0, 1, height)[:, None] ** rng.uniform(0.7, 3)
    columns = np.clip(top + (bottom - top) * ramp, 0, 1)  # [H, 3]
    return torch.from_numpy(columns.T[None, :, :, None].astype(np.float32)).expand(1, 3, height, width)
