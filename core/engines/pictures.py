"""Pictures to tensors and back, and into the sizes that networks can take: for every engine alike."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor


def canvas(width: int, height: int, multiple: int) -> tuple[int, int]:
    """The smallest size with both sides multiples of `multiple` that holds `width` x `height`: what is drawn, then cropped."""
    return -(-width // multiple) * multiple, -(-height // multiple) * multiple


def pad(pictures: np.ndarray, width: int, height: int) -> np.ndarray:
    """Continue the last column and row of pictures uint8 [..., h, w, 3] to `height` and `width`."""
    tall, wide = pictures.shape[-3:-1]
    before = [(0, 0)] * (pictures.ndim - 3)
    return np.pad(pictures, [*before, (0, height - tall), (0, width - wide), (0, 0)], mode="edge")


def fit(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Scale a picture uint8 [h, w, 3] to fit whole into `width` x `height`, centred; the rest takes its border's colour."""
    tall, wide = picture.shape[:2]
    scale = min(width / wide, height / tall)
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    border = np.concatenate([scaled[0], scaled[-1], scaled[:, 0], scaled[:, -1]])
    filled = np.full((height, width, 3), np.median(border, 0).round(), np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    filled[top : top + size[1], left : left + size[0]] = scaled
    return filled


def to_tensor(pictures: np.ndarray) -> Tensor:
    """Pictures uint8 [n, H, W, 3] to f32 [n, 3, H, W] in 0..1."""
    return rearrange(torch.tensor(pictures), "n h w c -> n c h w").float() / 255


def to_pictures(images: Tensor) -> np.ndarray:
    """Images [n, 3, H, W] in 0..1 to uint8 [n, H, W, 3]; what is beyond is cut off."""
    rounded = (images.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(rearrange(rounded, "n c h w -> n h w c").cpu().numpy())
