"""3 x 3 intrinsics, in pixels, of what Blender looks through. For `core.pose.camera.project`: y down, centre of the top left
pixel at (0.5, 0.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Lens:
    """A Blender camera's settings: lens and sensor in millimetres, ortho_scale in metres, shifts in fitted sides."""

    orthographic: bool
    lens: float
    ortho_scale: float
    sensor_fit: Literal["AUTO", "HORIZONTAL", "VERTICAL"]
    sensor_width: float
    sensor_height: float
    shift_x: float
    shift_y: float


def camera_intrinsics(lens: Lens, width: int, height: int, pixel_aspect: float = 1.0) -> np.ndarray:
    """[3, 3] as Blender would render `width` x `height` pixels, each `pixel_aspect` times as high as wide.

    For an orthographic camera the scale is pixels a metre.
    """
    across = lens.sensor_fit == "HORIZONTAL" or (lens.sensor_fit == "AUTO" and width >= height * pixel_aspect)
    fitted = width if across else height * pixel_aspect  # the side that the sensor spans, in pixel widths
    sensor = lens.sensor_height if lens.sensor_fit == "VERTICAL" else lens.sensor_width
    scale = fitted / lens.ortho_scale if lens.orthographic else fitted * lens.lens / sensor
    return np.array(
        [
            [scale, 0, width / 2 - lens.shift_x * fitted],
            [0, scale / pixel_aspect, height / 2 + lens.shift_y * fitted / pixel_aspect],
            [0, 0, 1],
        ]
    )


def window_intrinsics(
    window_matrix: np.ndarray, perspective: bool, region_width: int, region_height: int, width: int, height: int
) -> np.ndarray:
    """[3, 3] of a viewport's `window_matrix` [4, 4] (to OpenGL clip space): the whole region, fitted and centred."""
    to_region = np.array([[region_width / 2, 0], [0, region_height / 2]])
    scale = to_region @ np.diag(np.diag(window_matrix)[:2])
    # In clip space a perspective's offset is multiplied by z, which OpenGL counts negative; and its y goes up.
    offset = -window_matrix[:2, 2] if perspective else window_matrix[:2, 3]
    centre = to_region @ (1 + offset * [1, -1])
    fit = min(width / region_width, height / region_height)
    margin = (np.array([width, height]) - fit * np.array([region_width, region_height])) / 2
    intrinsics = np.eye(3)
    intrinsics[:2, :2] = fit * scale
    intrinsics[:2, 2] = fit * centre + margin
    return intrinsics
