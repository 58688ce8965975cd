"""Figures from their windows into the picture, over a background."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from ..control.framing import Window
from ..diffusion.fill import fill
from .pictures import fit

_GROWN = 9  # pixels that a matte is grown by before its figure is taken out of a picture
_CLEAR = 0.5 / 255  # less of a matte is none in bytes
_EDGE = 2.0  # pixels: how colours go on beyond a matte's edge


def place(figure: np.ndarray, window: Window, frame: int, width: int, height: int) -> np.ndarray:
    """A figure f32 [h, w, 4], colours multiplied by the matte, 0..1, from its window into a picture [height, width, 4]."""
    shrink = window.scale[frame]
    if shrink > 1.5:  # else rows and columns would be skipped
        figure = cv2.GaussianBlur(figure, (0, 0), 0.35 * shrink)
    how = cv2.INTER_CUBIC if shrink < 1 else cv2.INTER_LINEAR
    placed = cv2.warpAffine(figure, window.to_picture(frame), (width, height), flags=how, borderMode=cv2.BORDER_CONSTANT)
    return placed.clip(0, 1)


def cut(picture: np.ndarray, window: Window, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """What the window's first place shows of a picture uint8 [H, W, C]: uint8 [h, w, C]."""
    shrink = 1 / window.scale[0]
    if shrink > 1.5:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.35 * float(shrink))
    how = cv2.INTER_LINEAR if shrink > 1 else cv2.INTER_CUBIC
    size = window.width, window.height
    shown = cv2.warpAffine(picture, window.to_picture(0), size, flags=how | cv2.WARP_INVERSE_MAP, borderMode=border)
    return shown.reshape(*shown.shape[:2], -1)


def over(figure: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Both f32 [H, W, 4], colours multiplied by their mattes (Porter and Duff 1984)."""
    return figure + (1 - figure[..., 3:]) * ground


def backdrop(kind: str, reference: np.ndarray, matte: np.ndarray, width: int, height: int) -> np.ndarray:
    """What stands behind the people, f32 [height, width, 4]: see `GenerationSettings.background`.

    `reference` uint8 [H, W, 3] is the first reference, and `matte` f32 [H, W] its person.
    """
    if kind == "transparent":
        return np.zeros((height, width, 4), np.float32)
    if kind == "reference":
        empty = (_without(reference.astype(np.float32) / 255, matte).clip(0, 1) * 255).round().astype(np.uint8)
        colours = fit(empty, width, height).astype(np.float32) / 255
    else:
        colours = np.broadcast_to(np.frombuffer(bytes.fromhex(kind[1:]), np.uint8) / np.float32(255), (height, width, 3))
    return np.dstack([colours, np.ones((height, width), np.float32)])


def _without(picture: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """A picture f32 [H, W, 3] with its surroundings carried on to where the person is."""
    grown = cv2.dilate(matte, np.ones((_GROWN, _GROWN), np.uint8)) > 0.1
    known = torch.from_numpy((~grown).astype(np.float32))[None, None]
    filled = fill(torch.from_numpy(picture).permute(2, 0, 1)[None], known)
    return filled[0].permute(1, 2, 0).numpy()


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """f32 [H, W, 4], colours multiplied by the matte, to uint8 [H, W, 3]; [H, W, 4], unmultiplied, where it is not opaque.

    Who scales such a picture mixes what is clear into the edges, as Blender's sequencer does: it has the colours beside it.
    """
    matte = picture[..., 3:]
    if (matte > 0.999).all():
        return (picture[..., :3].clip(0, 1) * 255).round().astype(np.uint8)
    near = np.where(matte > _CLEAR, picture, cv2.GaussianBlur(picture, (0, 0), _EDGE))
    colours = near[..., :3] / np.maximum(near[..., 3:], 1e-6)
    return (np.dstack([colours, matte]).clip(0, 1) * 255).round().astype(np.uint8)
