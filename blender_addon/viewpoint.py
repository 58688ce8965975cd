"""Where a clip is seen from: the scene's camera as a frame has it, or a 3D viewport as it stood."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import bpy
import numpy as np

from ..core.errors import NoCamera, PoseError
from ..core.pose.intrinsics import Lens, camera_intrinsics, window_intrinsics
from .matrices import array_of
from .sample_options import SampleOptions, View

_BLENDER_TO_CLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # a camera of Blender's looks along -z with y up


class Eyes(NamedTuple):
    """An `Eye` of each of T frames: [T, 4, 4], [T, 3, 3], bool [T]."""

    views: np.ndarray
    intrinsics: np.ndarray
    orthographic: np.ndarray


class Eye(NamedTuple):
    """What is looked through at one moment: world to camera space [4, 4], intrinsics [3, 3] in pixels of the picture."""

    view: np.ndarray
    intrinsics: np.ndarray
    orthographic: bool


def look(scene: bpy.types.Scene, options: SampleOptions, depsgraph: bpy.types.Depsgraph) -> Eye:
    """The camera of the scene as `depsgraph` has it, or the viewport of `options`. Raises `NoCamera` or `PoseError`."""
    if options.uses_camera:
        camera = check_camera(scene, scene.camera).evaluated_get(depsgraph)
        try:  # one matrix is turned faster so than by `camera_views`
            view = array_of(camera.matrix_world.normalized().inverted())
        except ValueError as error:
            raise _looks_nowhere(camera.name, scene.frame_current) from error
        lens = lens_of(camera.data)  # type: ignore[arg-type]  # a camera object has a camera
        return Eye(_BLENDER_TO_CLIP @ view, lens_intrinsics(scene, options, lens), lens.orthographic)
    return look_at_viewport(options.view, options.width, options.height)


def look_at_viewport(view: View, width: int, height: int) -> Eye:
    """The whole viewport, fitted into a picture of `width` x `height` pixels."""
    intrinsics = window_intrinsics(
        np.array(view.window_matrix), view.perspective, view.width, view.height, width, height
    )
    return Eye(_BLENDER_TO_CLIP @ np.array(view.view_matrix), intrinsics, not view.perspective)


def cameras_at(scene: bpy.types.Scene, frames: Sequence[int]) -> list[bpy.types.Object | None]:
    """The camera of each frame: the one that timeline markers switch to by then, or the scene's own."""
    bound = [marker for marker in scene.timeline_markers if marker.camera and not marker.camera.hide_render]
    if not bound:
        return [scene.camera] * len(frames)
    bound.sort(key=lambda marker: marker.frame)
    cuts = [marker.frame for marker in bound]
    return [bound[max(bisect.bisect_right(cuts, frame) - 1, 0)].camera for frame in frames]


def check_camera(scene: bpy.types.Scene, camera: bpy.types.Object | None) -> bpy.types.Object:
    """`camera` if it makes flat pictures. Raises `NoCamera`."""
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


def camera_views(worlds: np.ndarray, name: str, frames: Sequence[int]) -> np.ndarray:
    """World matrices of the camera `name` [T, 4, 4] to world-to-camera matrices [T, 4, 4]; its scale is ignored, as by Blender.

    Raises `PoseError` for a camera that looks nowhere.
    """
    views = worlds.astype(float)
    views[:, :3, :3] /= np.maximum(np.linalg.norm(views[:, :3, :3], axis=1, keepdims=True), 1e-12)
    with np.errstate(invalid="ignore"):  # NaN is refused later, with its frame
        flat = np.abs(np.linalg.det(views)) < 1e-6
    if flat.any():
        raise _looks_nowhere(name, frames[int(np.argmax(flat))])
    return _BLENDER_TO_CLIP @ np.linalg.inv(views)


def _looks_nowhere(camera: str, frame: int) -> PoseError:
    return PoseError(f"The camera {camera!r} has no size or direction at scene frame {frame}.", "Mend its transform there.")


def lens_intrinsics(scene: bpy.types.Scene, options: SampleOptions, lens: Lens) -> np.ndarray:
    """[3, 3] of a camera of the scene, for a picture of the options' size."""
    pixel_aspect = scene.render.pixel_aspect_y / scene.render.pixel_aspect_x
    return camera_intrinsics(lens, options.width, options.height, pixel_aspect)


def lens_of(camera: bpy.types.Camera) -> Lens:
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
