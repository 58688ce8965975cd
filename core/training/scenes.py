"""Where a person is seen: cameras, lights, backgrounds and the shadow on the ground."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .renderer import Lights

BODY_TO_CAMERA = np.diag([1.0, -1.0, -1.0])  # for a camera in front of the person: its left is on the right of the picture


@dataclass(frozen=True)
class Camera:
    """rotation f64 [3, 3] and offset [3] from body space (metres) to camera space; intrinsics f64 [3, 3] pixels."""

    rotation: np.ndarray
    offset: np.ndarray
    intrinsics: np.ndarray

    def view(self, points: np.ndarray) -> np.ndarray:
        """Body space [..., 3] to camera space."""
        return points @ self.rotation.T + self.offset

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Body space [..., 3] to pixels [..., 2]."""
        seen = self.view(points)
        plane = seen[..., :2] / np.maximum(seen[..., 2:], 1e-3)
        return plane * self.intrinsics[[0, 1], [0, 1]] + self.intrinsics[:2, 2]


def camera(
    rng: np.random.Generator, points: np.ndarray, width: int, height: int, easy: bool, yaw: float | None = None
) -> Camera:
    """A camera anywhere around that frames `points` f64 [N, 3], all that the person covers.

    `easy`: as references are taken. `yaw`: how far around the person, radians; else drawn.
    """
    around = rng.normal(0, 0.45) if easy and rng.random() < 0.75 else rng.uniform(-np.pi, np.pi)
    yaw = around if yaw is None else yaw
    pitch = rng.normal(0, 0.1) if easy or rng.random() < 0.45 else np.radians(rng.uniform(-50, 50))
    roll = rng.normal(0, 0.03) if rng.random() < 0.3 else 0.0
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    rotation = (
        np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        @ BODY_TO_CAMERA
        @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    )  # positive pitch looks down from above
    low, high = points.min(0), points.max(0)
    framing = rng.random()
    fill = rng.uniform(0.72, 0.96)
    if framing > (0.93 if easy else 0.8):  # head and shoulders to the hips
        low = low + np.array([0, (high - low)[1] * rng.uniform(0.35, 0.75), 0])
        points = points[points[:, 1] >= low[1]]
    elif framing > (0.88 if easy else 0.7):  # cropped anyhow
        fill = rng.uniform(1.05, 1.5)
    elif framing < 0.1:  # far
        fill = rng.uniform(0.5, 0.72)
    centre = (low + high) / 2
    focal = height * np.exp(rng.uniform(np.log(0.9), np.log(4.0)))
    turned = (points - centre) @ rotation.T
    span = np.abs(turned[:, :2]) / (np.array([width, height]) / 2)
    distance = max(float((span[:, k] * focal / fill - turned[:, 2]).max()) for k in (0, 1))
    distance = max(distance, 0.25 - float(turned[:, 2].min()))
    shift = (1 - min(fill, 1)) * rng.uniform(-0.45, 0.45, 2) * [width, height] * (1 if fill < 1 else 0.3)
    intrinsics = np.array([[focal, 0, width / 2 + shift[0]], [0, focal, height / 2 + shift[1]], [0, 0, 1]])
    return Camera(rotation, np.array([0, 0, distance]) - rotation @ centre, intrinsics)


def lights(rng: np.random.Generator) -> Lights:
    """Key, fill, sky and rim, in body space: they stay where they are when the camera goes around."""
    azimuth = rng.uniform(-np.pi, np.pi) if rng.random() < 0.25 else rng.normal(0, 0.8)
    elevation = rng.uniform(0.25, 1.3)
    key = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    fill = np.array([-np.sin(azimuth), 0.2, np.cos(azimuth)]) + rng.normal(0, 0.3, 3)
    fill /= np.linalg.norm(fill)
    warm = np.array([1.0, 1 - 0.12 * rng.random(), 1 - 0.25 * rng.random()])[:: rng.choice([1, -1])]
    ambient = rng.uniform(0.25, 0.75)
    flat = rng.random() < 0.08
    toon = int(rng.choice([0, 2, 3], p=[0.84, 0.1, 0.06]))

    def tensor(value: np.ndarray) -> Tensor:
        return torch.tensor(value, dtype=torch.float32)

    return Lights(
        key=tensor(key),
        key_colour=tensor(warm * (0.15 if flat else rng.uniform(0.55, 1.05) * (1.25 - ambient))),
        fill=tensor(fill),
        fill_colour=tensor(np.full(3, rng.uniform(0, 0.2))),
        sky=tensor(np.full(3, 0.95 if flat else ambient)),
        ground=tensor(np.full(3, 0.85 if flat else ambient * rng.uniform(0.4, 0.85))),
        rim=rng.uniform(0, 0.35) if rng.random() < 0.35 else 0.0,
        toon=toon,
        outline=rng.uniform(0.5, 0.95) if rng.random() < (0.5 if toon else 0.03) else 0.0,
    )


def in_camera(lit: Lights, rotation: np.ndarray) -> Lights:
    """The same lights, given in body space, as a camera of this `rotation` sees them."""
    turn = torch.tensor(rotation, dtype=torch.float32)
    return Lights(**{**vars(lit), "key": turn @ lit.key, "fill": turn @ lit.fill})


def background(rng: np.random.Generator, width: int, height: int) -> Tensor:
    """sRGB f32 [3, H, W]: plain, a gradient, a floor before a wall, or clutter."""

    def colour(most: float = 0.45) -> np.ndarray:
        return np.array(hsv_to_rgb(rng.random(), rng.uniform(0, most), rng.uniform(0.12, 1)))

    kind = rng.choice(["plain", "gradient", "room", "clutter"], p=[0.3, 0.25, 0.2, 0.25])
    first = colour()
    picture = np.broadcast_to(first[:, None, None], (3, height, width)).copy()
    if kind != "plain":
        ramp = np.linspace(0, 1, height)[:, None] ** rng.uniform(0.5, 2.5)
        second = np.clip(first * rng.uniform(0.6, 1.3) if rng.random() < 0.6 else colour(), 0, 1)
        picture = first[:, None, None] + (second - first)[:, None, None] * np.broadcast_to(ramp, (height, width))
    if kind in ("room", "clutter"):
        floor = int(height * rng.uniform(0.5, 0.95))
        picture[:, floor:] = colour(0.35)[:, None, None] * np.linspace(0.8, 1.05, height - floor)[:, None]
    if kind == "clutter":
        for _ in range(rng.integers(4, 22)):
            w, h = (rng.uniform(0.04, 0.5, 2) * [width, height]).astype(int)
            x, y = int(rng.uniform(-0.2, 1) * width), int(rng.uniform(-0.2, 1) * height)
            patch = picture[:, max(y, 0) : y + h, max(x, 0) : x + w]
            tint = colour(0.8)[:, None, None]
            if rng.random() < 0.3:
                tint = tint * (0.7 + 0.3 * np.sign(np.sin(np.arange(patch.shape[2]) * rng.uniform(0.1, 0.9))))
            patch += (tint - patch) * rng.uniform(0.5, 1)
    result = torch.tensor(np.clip(picture, 0, 1), dtype=torch.float32)
    if kind in ("room", "clutter") and rng.random() < 0.5:
        grain = int(rng.choice([2, 4, 8, 16, 32]))
        noise = torch.from_numpy(rng.normal(size=(1, 3 if rng.random() < 0.3 else 1, height // grain + 1, width // grain + 1)))
        noise = torch.nn.functional.interpolate(noise.float(), (height, width), mode="bilinear", align_corners=False)[0]
        result = (result + rng.uniform(0.02, 0.1) * noise).clamp(0, 1)
    if kind in ("room", "clutter") and rng.random() < 0.7:
        size = 2 * int(rng.integers(1, 5)) + 1
        padded = torch.nn.functional.pad(result[None], (size // 2,) * 4, mode="replicate")
        result = torch.nn.functional.avg_pool2d(padded, size, 1)[0]
    return result


def shadow(points: np.ndarray, seen_by: Camera, key: np.ndarray, width: int, height: int, strength: float) -> Tensor:
    """What the ground keeps of its light, f32 [1, H, W] in 0..1: `points` f64 [V, 3] thrown on y = 0 along `key` [3]."""
    slope = key[[0, 2]] / max(key[1], 0.35)
    on_ground = np.stack(
        [points[:, 0] - points[:, 1] * slope[0], np.zeros(len(points)), points[:, 2] - points[:, 1] * slope[1]], 1
    )
    if seen_by.view(on_ground)[:, 2].min() < 0.05:
        return torch.ones(1, height, width)
    shrink = 8
    x, y = np.floor(seen_by.pixels(on_ground) / shrink).astype(int).T
    tall, wide = height // shrink, width // shrink
    inside = (x >= 0) & (x < wide) & (y >= 0) & (y < tall)
    covered = np.bincount(y[inside] * wide + x[inside], minlength=tall * wide).reshape(1, 1, tall, wide)
    density = torch.from_numpy(np.minimum(covered / 3.0, 1)).float()
    density = torch.nn.functional.avg_pool2d(density, 3, 1, 1, count_include_pad=False)
    smooth = torch.nn.functional.interpolate(density, (height, width), mode="bicubic", align_corners=False)
    return 1 - strength * smooth[0].clamp(0, 1)
