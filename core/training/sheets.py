"""Clips of characters that the model never saw, and sheets of them: for those who train, and for those who read of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
import torch
from einops import rearrange
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..control.guide import draw_guide
from ..diffusion.body import Body, body_of
from ..diffusion.bundled import CELL, CHUNK, SHARED_NOISE, Seen, Understudy
from ..diffusion.sampler import FlowPath, initial_noise
from ..diffusion.windows import relay
from .heldout import Generated, held_out
from .shots import REFERENCES, Shot


@dataclass(frozen=True)
class Trial:
    """How a clip is generated in an evaluation; each switch takes one part away.

    Of the reference, `matte` and `joints` are known, as they are of one that the add-on renders.
    """

    steps: int = 2
    seed: int = 1
    reference: bool = True
    matte: bool = True
    joints: bool = True
    temporal: bool = True
    shared_noise: float = SHARED_NOISE
    window: int = 12
    overlap: int = 4


def bodies(shot: Shot) -> Body:
    orthographic = torch.zeros(len(shot.pictures), dtype=torch.bool)
    return body_of(*(torch.as_tensor(part) for part in (shot.points_cam, shot.visible, shot.intrinsics)), orthographic)


def see(model: Understudy, shot: Shot, trial: Trial) -> Seen:
    """The shot's first picture as the engine would see it."""
    picture = shot.pictures[:1].float() / 255
    body = bodies(shot)[:1] if trial.joints else None
    matte = shot.mattes[:1].float() / 255 if trial.matte else model.matte(picture, body)
    return model.see(picture, matte, body)


@torch.inference_mode()
def generate(model: Understudy, shot: Shot, trial: Trial) -> Generated:
    """The clip of `shot` from its first picture and its joints, over its own plates; window by window, as the engine does."""
    height, width = shot.pictures.shape[2:]
    seen, body = see(model, shot, trial), bodies(shot)[REFERENCES:]
    count, path = len(body.turn), FlowPath(trial.steps)
    shape = model.autoencoder.mean.shape[1], height // CELL, width // CELL
    noise = initial_noise(count, shape, trial.seed, trial.shared_noise)
    latents, details, ready = noise.clone(), [], 0
    for window in relay(count, trial.window, trial.overlap):
        rows = slice(window.start, window.stop)
        posed = model.pose(seen, body[rows], width, height)
        for number in range(trial.steps):
            known = seen if trial.reference else None
            model.step(latents[rows], noise[rows], ready - rows.start, path, number, posed, known, temporal=trial.temporal)
        details.append(posed.detail[ready - rows.start :])
        ready = rows.stop
    return finish(model, latents, torch.cat(details), shot)


def finish(model: Understudy, latents: Tensor, detail: Tensor, shot: Shot) -> Generated:
    """The drawn figures over the plates of the shot's clip."""
    parts = [model.draw(*part) for part in zip(latents.split(CHUNK), detail.split(CHUNK), strict=True)]
    figures, mattes = (torch.cat(each) for each in zip(*parts, strict=True))
    return Generated(figures + (1 - mattes) * shot.plates[REFERENCES:].float() / 255, mattes)


_held_out = cache(held_out)


def contact_sheet(model: Understudy, characters: int = 4, every: int = 4, shrink: int = 2, **trial) -> np.ndarray:
    """One character a row: reference, then body | laid over | result | truth of every n-th frame; uint8 [H, W, 3]."""
    rows = []
    for seed in range(characters):
        shot = _held_out(seed)
        result = generate(model, shot, Trial(**trial)).pictures
        with torch.inference_mode():
            posed = model.pose(see(model, shot, Trial()), bodies(shot)[REFERENCES::every])
        truth = shot.pictures[REFERENCES:].float() / 255
        cells = [shot.pictures[0].float() / 255]
        for index, frame in enumerate(range(0, len(truth), every)):
            cells += [posed.detail[index, [6, 9, 11]], posed.detail[index, :3], result[frame], truth[frame]]
        rows.append(rearrange(torch.stack(cells), "n c h w -> h (n w) c"))
    sheet = (torch.cat(rows) * 255).round().byte().numpy()
    return cv2.resize(sheet, (sheet.shape[1] // shrink, sheet.shape[0] // shrink), interpolation=cv2.INTER_AREA)


SHOWN = "reference", "skeleton", "result", "truth"
_PAPER, _GAP, _HEAD, _ASIDE = 237, 4, 24, 14  # grey levels; pixels


def showcase(model: Understudy, clips: Iterable[tuple[Shot, Sequence[int]]], columns: int = 2, shrink: int = 2) -> Image.Image:
    """Labelled rows of `SHOWN`, one for each of the named frames of each clip, on paper, in `columns`."""
    rows = [row for shot, frames in clips for row in _shown(model, shot, frames)]
    height, width = (size // shrink for size in rows[0][0].shape[:2])
    per_column = -(-len(rows) // columns)
    block = len(SHOWN) * (width + _GAP) + _ASIDE
    sheet = Image.new("RGB", (columns * block - _ASIDE, _HEAD + per_column * (height + _GAP)), (250, 250, 250))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for index, row in enumerate(rows):
        column, line = divmod(index, per_column)
        for place, (name, cell) in enumerate(zip(SHOWN, row, strict=True)):
            left = column * block + place * (width + _GAP)
            sheet.paste(
                Image.fromarray(cell).resize((width, height), Image.Resampling.LANCZOS), (left, _HEAD + line * (height + _GAP))
            )
            if line == 0:
                pen.text((left + width // 2, _HEAD // 2), name, (40, 40, 44), font, anchor="mm")
    return sheet.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _shown(model: Understudy, shot: Shot, frames: Sequence[int]) -> list[list[np.ndarray]]:
    """The cells of some frames of a clip, each uint8 [H, W, 3]."""
    shot = replace(shot, plates=torch.full_like(shot.plates, _PAPER))
    result = generate(model, shot, Trial()).pictures
    mattes = shot.mattes[REFERENCES:].float() / 255
    truth = shot.figures[REFERENCES:].float() / 255 + (1 - mattes) * _PAPER / 255
    height, width = truth.shape[2:]
    rows = []
    for frame in frames:
        at = slice(REFERENCES + frame, REFERENCES + frame + 1)
        skeleton = draw_guide(shot.points[at], shot.drawable[at], width, height)
        reference = shot.pictures[0].permute(1, 2, 0).numpy()
        drawn, true = ((part[frame].permute(1, 2, 0) * 255).round().byte().numpy() for part in (result, truth))
        rows.append([reference, skeleton, drawn, true])
    return rows
