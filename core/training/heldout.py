"""Held-out trials of the bundled model, and the table that is made of them: people and motions that training cannot draw.

What generates is handed in, so that any engine and any part of one can be measured alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .measures import delta_e, garments, measure, region_colours
from .renderer import rasterise
from .shots import HEIGHT, HELD_OUT, REFERENCES, WIDTH, Shot, shoot

BEHIND = math.pi
_SKY = 0.6  # grey, sRGB: what a filmed human stands before


@dataclass(frozen=True)
class Generated:
    """A shot's clip as a model draws it over the shot's plates: pictures f32 [T, 3, H, W], mattes f32 [T, 1, H, W], 0..1."""

    pictures: Tensor
    mattes: Tensor


Generate = Callable[[Shot], Generated]
Row = dict[str, float]


def held_out(number: int, clip_frames: int = 12, yaw: float | None = None) -> Shot:
    """The n-th held-out person in a motion of its own; `yaw` as for `shoot`."""
    return shoot(HELD_OUT + number, clip_frames=clip_frames, yaw=yaw)


def row_of(shot: Shot, generated: Generated) -> Row:
    """All measures of one clip; `delta_e_truth`: of garments and hair against the truth in the same frame and light."""
    truth, inside = shot.pictures[REFERENCES:].float() / 255, (shot.mattes[REFERENCES:] > 127).float()
    regions = shot.regions[REFERENCES:]
    colours = garments(generated.pictures, regions, shot.pictures[0].float() / 255, shot.regions[0])
    same_frame = delta_e(region_colours(generated.pictures, regions), region_colours(truth, regions)).nanmean()
    return {**measure(generated.pictures, truth, inside, generated.mattes), **colours, "delta_e_truth": float(same_frame)}


def mean(rows: Iterable[Row]) -> Row:
    """The means of each measure, of the rows in which it is a number."""
    rows = list(rows)
    return {key: round(float(np.nanmean([row[key] for row in rows])), 4) for key in rows[0]}


def evaluate(
    generate: Generate, characters: int, long: int, clip_frames: int = 12, say: Callable[[str], None] = print
) -> dict[str, Row]:
    """Figures over `characters` short clips from anywhere, as many from behind, and `long` clips of 96 frames.

    `truth` is what the ground truth itself scores for colour: its garments turn in the light too.
    """
    anywhere: list[Row] = []
    front: list[Row] = []
    behind: list[Row] = []
    long_rows: list[Row] = []
    truth_rows: list[Row] = []
    for number in range(characters):
        shot = held_out(number, clip_frames)
        anywhere.append(row_of(shot, generate(shot)))
        truth_rows.append(row_of(shot, truth_of(shot)))
        for rows, yaw in ((front, 0.0), (behind, BEHIND + math.radians(30) * math.sin(number))):
            shot = held_out(number, clip_frames, yaw)
            rows.append(row_of(shot, generate(shot)))
        say(f"evaluate: {number + 1} of {characters} people")
    for number in range(long):
        shot = held_out(characters + number, clip_frames=96)
        long_rows.append(row_of(shot, generate(shot)))
        truth_rows.append(row_of(shot, truth_of(shot)))
        say(f"evaluate: {number + 1} of {long} long clips")
    table = {"held out": mean(anywhere), "from the front": mean(front), "from behind": mean(behind), "truth": mean(truth_rows)}
    return {**table, "96 frames": mean(long_rows)} if long_rows else table


def evaluate_filmed(generate: Generate, folder: Path) -> dict[str, Row]:
    """The human that `tooling.blender_human` filmed into `folder`, one row a rig."""
    rows = {}
    for path in sorted(folder.glob("*.npz")):
        shot = filmed(path)
        rows[path.stem] = row_of(shot, generate(shot))
    return rows


def truth_of(shot: Shot) -> Generated:
    """The best that can be generated."""
    return Generated(shot.pictures[REFERENCES:].float() / 255, shot.mattes[REFERENCES:].float() / 255)


def copied(shot: Shot) -> Generated:
    """The reference for every frame: what standing still scores."""
    count = len(shot.pictures) - REFERENCES
    return Generated(*(part[:1].float().div(255).expand(count, -1, -1, -1) for part in (shot.pictures, shot.mattes)))


def filmed(path: Path) -> Shot:
    """A human filmed in Blender: its first frame is the reference, all of them are the clip.

    The `.npz` holds pictures uint8 [T, H, W, 4] RGBA (straight alpha), points_cam f32 [T, 134, 3], visible bool [T, 134],
    intrinsics f32 [T, 3, 3], and the rendered mesh: vertices f32 [T, V, 3] camera space, faces [N, 3], regions uint8 [N].
    """
    with np.load(path) as film:
        arrays = {name: film[name] for name in film.files}
    rgba = torch.from_numpy(arrays["pictures"]).permute(0, 3, 1, 2).contiguous()
    mattes = rgba[:, 3:]
    figures = (rgba[:, :3].float() * mattes / 255).round().byte()
    plates = torch.full_like(figures, round(_SKY * 255))
    pictures = (figures + (1 - mattes / 255) * plates).round().byte()
    faces, garment = torch.from_numpy(arrays["faces"]), torch.from_numpy(arrays["regions"])
    regions = torch.zeros(len(pictures), HEIGHT * WIDTH, dtype=torch.uint8)
    for frame, (vertices, intrinsics) in enumerate(zip(arrays["vertices"], arrays["intrinsics"], strict=True)):
        seen = rasterise(torch.from_numpy(vertices), faces, torch.from_numpy(intrinsics), WIDTH, HEIGHT)
        regions[frame, seen.sample] = garment[seen.face]
    frames = [0] * REFERENCES + list(range(len(pictures)))
    layers = {"pictures": pictures, "figures": figures, "plates": plates, "mattes": mattes}
    return Shot(
        **{name: layer[frames] for name, layer in layers.items()},
        regions=regions.view(-1, HEIGHT, WIDTH)[frames],
        **{name: arrays[name][frames] for name in ("points_cam", "intrinsics", "visible")},
    )  # fmt: skip
