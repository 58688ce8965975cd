"""The window that follows one person through a clip: what of each frame the bundled model draws. numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..pose.skeleton import FACE, INDEX

_FILL = 0.84  # of the window's sides that the joints take at most: hair, hats and sleeves stand out
_HEAD = 1.15  # distances from the neck to the middle of its points that a head with its hair stands out from there
_HEAD_POINTS = [INDEX[name] for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
_LARGEST = 8.0  # window pixels a picture pixel: nearer than this there is nothing to see
_BEYOND = 0.25  # of the picture's sides: joints farther out do not pull the window


@dataclass(frozen=True)
class Window:
    """T places of a window of `width` x `height` pixels over a picture.

    corner f32 [T, 2]: its top left, pixels of the picture; scale f32 [T]: window pixels a picture pixel
    """

    corner: np.ndarray
    scale: np.ndarray
    width: int
    height: int

    def intrinsics(self, of_picture: np.ndarray) -> np.ndarray:
        """The picture's intrinsics [T, 3, 3] as seen in the window."""
        moved = of_picture.copy()
        moved[:, :2, 2] -= self.corner
        moved[:, :2] *= self.scale[:, None, None]
        return moved

    def to_picture(self, frame: int) -> np.ndarray:
        """The affine map f32 [2, 3] from the window's pixels (their corners) to the picture's."""
        size = 1 / self.scale[frame]
        return np.array([[size, 0, self.corner[frame, 0]], [0, size, self.corner[frame, 1]]], np.float32)


def follow(
    points: np.ndarray, drawable: np.ndarray, picture: tuple[int, int], window: tuple[int, int], fps: float = 24.0
) -> Window | None:
    """The window over keypoints [T, 134, 2], pixels of a picture (width, height), where they are drawable [T, 134].

    It moves and breathes slowly, about half a second behind and ahead, and leaves no joint outside. None: nobody is there in
    any frame.
    """
    low, high, there = _extent(points, drawable, np.array(picture, np.float64))
    if not there.any():
        return None
    frames = np.arange(len(points))
    low, high = (np.stack([np.interp(frames, frames[there], side[there, axis]) for axis in (0, 1)], 1) for side in (low, high))
    reach = max(1, round(fps / 2))
    middle = _smooth((low + high) / 2, reach)
    need = (2 * np.maximum(high - middle, middle - low) / (np.array(window) * _FILL)).max(1)
    need = _smooth(_running_max(np.maximum(need, 1 / _LARGEST), reach)[:, None], reach)[:, 0]
    corner = middle - need[:, None] * np.array(window) / 2
    return Window(corner.astype(np.float32), (1 / need).astype(np.float32), *window)


def _extent(points: np.ndarray, drawable: np.ndarray, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper corners [T, 2] of the joints, as far as they matter, and in which frames there are any [T]."""
    points, shown = _with_head(points, drawable)
    inside = ((points > -_BEYOND * picture) & (points < (1 + _BEYOND) * picture)).all(-1)
    near = np.clip(points, -_BEYOND * picture, (1 + _BEYOND) * picture)
    low = np.where(shown[..., None], near, np.inf).min(1)
    high = np.where(shown[..., None], near, -np.inf).max(1)
    return low, high, (shown & inside).any(1)


def _with_head(points: np.ndarray, drawable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keypoints, and for the face's four corners of a square about the head: it stands out far beyond its joints."""
    seen = drawable[:, _HEAD_POINTS]
    middle = (points[:, _HEAD_POINTS] * seen[..., None]).sum(1) / np.maximum(seen.sum(1), 1)[:, None]
    reach = _HEAD * np.linalg.norm(middle - points[:, INDEX["neck"]], axis=-1)[:, None, None]
    corners = middle[:, None] + reach * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    known = np.repeat((seen.any(1) & drawable[:, INDEX["neck"]])[:, None], 4, 1)
    rest = np.ones(points.shape[1], bool)
    rest[FACE] = False
    return np.concatenate([points[:, rest], corners], 1), np.concatenate([drawable[:, rest], known], 1)


def _running_max(values: np.ndarray, reach: int) -> np.ndarray:
    padded = np.pad(values, reach, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(-1)


def _smooth(values: np.ndarray, reach: int) -> np.ndarray:
    """Weighted means of values [T, N] over `reach` frames to each side, a raised cosine."""
    weights = 1 + np.cos(np.pi * np.arange(-reach, reach + 1) / (reach + 1))
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    seen = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return seen @ (weights / weights.sum())
