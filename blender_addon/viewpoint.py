"""Where a clip is seen from: the scene's camera as a frame has it, or a 3D viewport as it stood."""

from __future__ import annotations

from typing import NamedTuple

import bpy
import numpy as np

from ..core.errors import NoCamera, PoseError
from ..core.pose.intrinsics import Lens, camera_intrinsics, window_intrinsics
from .sample_options import SampleOptions

_BLENDER_TO_CLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # a camera of Blender's looks along -z with y up


class Eye(NamedTuple):
    """What is looked through at one moment: world to camera space [4, 4], intrinsics [3, 3] in pixels of the picture."""

    view: np.ndarray
    intrinsics: np.ndarray
    orthographic: bool


def look(scene: bpy.types.Scene, options: SampleOptions, depsgraph: bpy.types.Depsgraph) -> Eye:
    """The camera of the scene as `depsgraph` has it, or the viewport of `options`. Raises `NoCamera` or `PoseError`."""
    if options.uses_camera:
        camera = check_camera(scene).evaluated_get(depsgraph)
        view = _world_to_camera(camera, scene.frame_current)
        lens = _lens(camera.data)  # type: ignore[arg-type]  # a camera object has a camera
        pixel_aspect = scene.render.pixel_aspect_y / scene.render.pixel_aspect_x
        intrinsics = camera_intrinsics(lens, options.width, options.height, pixel_aspect)
        return Eye(_BLENDER_TO_CLIP @ view, intrinsics, lens.orthographic)
    viewport = options.view
    window = np.array(viewport.window_matrix)
    intrinsics = window_intrinsics(
        window, viewport.perspective, viewport.width, viewport.height, options.width, options.height
    )
    return Eye(_BLENDER_TO_CLIP @ np.array(viewport.view_matrix), intrinsics, not viewport.perspective)


def check_camera(scene: bpy.types.Scene) -> bpy.types.Object:
    camera = scene.camera
    if camera is None:
        raise NoCamera(f"The scene {scene.name!r} has no camera.")
    if camera.type != "CAMERA":
        raise NoCamera(f"The scene's camera, {camera.name!r}, is of type {camera.type.title()}.")
    if camera.data.type not in ("PERSP", "ORTHO"):
        raise NoCamera(
            f"The camera {camera.name!r} is of type {camera.data.type.title()}, whose picture is not flat.",
            "Set its lens type to Perspective or Orthographic.",
        )
    return camera


def _world_to_camera(camera: bpy.types.Object, frame: int) -> np.ndarray:
    """[4, 4]; Blender ignores the scale of a camera. Raises `PoseError` for a camera that looks nowhere."""
    try:
        return np.array(camera.matrix_world.normalized().inverted())
    except ValueError as error:
        raise PoseError(
            f"The camera {camera.name!r} has no size or direction at scene frame {frame}.", "Mend its transform there."
        ) from error


def _lens(camera: bpy.types.Camera) -> Lens:
    return Lens(
        orthographic=camera.type == "ORTHO",
        lens=camera.lens,
        ortho_scale=camera.ortho_scale,
        sensor_fit=camera.sensor_fit,
        sensor_width=camera.sensor_width,
        sensor_height=camera.sensor_height,
        shift_x=camera.shift_x,
        shift_y=camera.shift_y,
    )
