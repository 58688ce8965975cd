"""People and cameras that keyframes alone move, at many frames at once, without going to any."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import bpy
import numpy as np

from . import keyframes
from .face_shapes import FaceShapes
from .keyframes import Evaluator
from .kinematics import ObjectMotion, PoseMotion, find_object_obstacle, find_pose_obstacle
from .sample_options import Person, SampleOptions
from .viewpoint import Eyes, camera_views, cameras_at, check_camera, lens_intrinsics, lens_of, look

_MATRICES_AT_ONCE = 4_000  # one or two milliseconds' worth
_LENS = ("lens", "ortho_scale", "sensor_width", "sensor_height", "shift_x", "shift_y")
_PICTURELESS = ("dof.", "passepartout_alpha", "show_", "clip_start", "clip_end", "display_size", '["')


class Moved(NamedTuple):
    """What of a person is asked for: some bones, and the face."""

    person: Person
    bones: Sequence[str]
    face: FaceShapes


def find_obstacle(scene: bpy.types.Scene, options: SampleOptions, people: Sequence[Moved]) -> str | None:
    """What keeps the people's bones and the camera from being known by keyframes alone, for people; None where nothing does.

    Whatever is not known to be harmless is an obstacle.
    """
    obstacles = (
        *(find_person_obstacle(scene, *moved) for moved in people),
        *(_find_camera_obstacle(camera) for camera in dict.fromkeys(_cameras(scene, options))),
    )
    return next((obstacle for obstacle in obstacles if obstacle), None)


def find_person_obstacle(scene: bpy.types.Scene, person: Person, bones: Sequence[str], face: FaceShapes) -> str | None:
    """What keeps one person's `bones` and `face` from being known by keyframes alone, for people; None where nothing does."""
    obstacles = (
        *(find_object_obstacle(owner) for owner in (*person.instancers, person.armature)),
        find_pose_obstacle(person.armature, bones),
        face.find_obstacle(),
        _find_scene_obstacle(scene),
    )
    return next((obstacle for obstacle in obstacles if obstacle), None)


class KeyedMotion:
    """The bones of `people` and the cameras, where `find_obstacle` finds none. Raises `NoCamera`."""

    def __init__(self, scene: bpy.types.Scene, options: SampleOptions, people: Sequence[Moved]):
        self._options = options
        evaluate = Evaluator(options.frames)
        self._people = [PersonMotion(*moved, evaluate) for moved in people]
        cameras = _cameras(scene, options)
        numbers = {camera: number for number, camera in enumerate(dict.fromkeys(cameras))}
        self._cameras = [numbers[camera] for camera in cameras]  # of each frame, which of `_seen`
        self._seen = [_CameraMotion(scene, options, check_camera(scene, camera), evaluate) for camera in numbers]
        self._viewport = None if cameras else look(scene, options, None)
        matrices = sum(person.size for person in self._people) + len(self._seen)
        self.frames_at_once = max(1, _MATRICES_AT_ONCE // matrices)

    def prepare(self) -> Iterator[None]:
        """Evaluate the keyframes, in steps of about a millisecond."""
        for person in self._people:
            yield from person.prepare()
        for camera in self._seen:
            yield from camera.prepare()

    def poses(self, frames: slice) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each person, bone to armature space [T, B, 4, 4] and armature to world space [T, 4, 4]."""
        return [person.poses(frames) for person in self._people]

    def faces(self, frames: slice) -> list[np.ndarray]:
        """Of each person, the values of the face's shape keys [T, S]."""
        return [person.face[frames] for person in self._people]

    def eyes(self, frames: slice) -> Eyes:
        """What is looked through. Raises `PoseError` for a camera that looks nowhere."""
        cameras = self._cameras[frames]
        count = len(range(len(self._options.frames))[frames])
        if self._viewport:
            view, intrinsics, orthographic = self._viewport
            return Eyes(np.stack([view] * count), np.stack([intrinsics] * count), np.full(count, orthographic))
        if len(set(cameras)) == 1:
            return self._seen[cameras[0]].eyes(frames)
        seen = {camera: self._seen[camera].eyes(frames) for camera in set(cameras)}
        each = [[values[number] for values in seen[camera]] for number, camera in enumerate(cameras)]
        return Eyes(*map(np.array, zip(*each, strict=True)))


class PersonMotion:
    """One person, where `find_person_obstacle` finds none."""

    def __init__(self, person: Person, bones: Sequence[str], face: FaceShapes, evaluate: Evaluator):
        self._pose = PoseMotion(person.armature, bones, evaluate)
        self._objects = [ObjectMotion(owner, evaluate) for owner in (*person.instancers, person.armature)]
        self._offsets = [np.array(instancer.instance_collection.instance_offset) for instancer in person.instancers]
        self.face = face.keyed(evaluate)
        self.size = len(self._pose) + len(self._objects)

    def prepare(self) -> Iterator[None]:
        """Evaluate the keyframes, in steps of a few milliseconds."""
        yield from self._pose.prepare()
        for motion in self._objects:
            yield from motion.prepare()

    def poses(self, frames: slice) -> tuple[np.ndarray, np.ndarray]:
        """Bone to armature space [T, B, 4, 4] and armature to world space [T, 4, 4]."""
        *spaces, world = (motion.worlds(frames) for motion in self._objects)
        for space, offset in zip(reversed(spaces), reversed(self._offsets), strict=True):
            moved = world.copy()
            moved[:, :3, 3] -= offset
            world = space @ moved
        return self._pose.matrices(frames), world


class _CameraMotion:
    def __init__(self, scene: bpy.types.Scene, options: SampleOptions, camera: bpy.types.Object, evaluate: Evaluator):
        self._scene, self._options, self._name = scene, options, camera.name
        self._motion = ObjectMotion(camera, evaluate)
        self._lens = lens_of(camera.data)  # type: ignore[arg-type]  # a camera object has a camera
        curves = keyframes.curves_of(camera.data)  # type: ignore[arg-type]
        self._keyed = {name: evaluate([curves[name, 0]])[0] for name in _LENS if (name, 0) in curves}

    def prepare(self) -> Iterator[None]:
        return self._motion.prepare()

    def eyes(self, frames: slice) -> Eyes:
        numbers = self._options.frames[frames]
        if self._motion.still:  # then one frame tells all
            views = np.repeat(camera_views(self._motion.worlds(slice(1)), self._name, numbers), len(numbers), axis=0)
        else:
            views = camera_views(self._motion.worlds(frames), self._name, numbers)
        lenses = [self._lens]
        if self._keyed:
            settings = zip(*(values[frames].tolist() for values in self._keyed.values()), strict=True)
            lenses = [dataclasses.replace(self._lens, **dict(zip(self._keyed, row, strict=True))) for row in settings]
        intrinsics = np.array([lens_intrinsics(self._scene, self._options, lens) for lens in lenses])
        return Eyes(
            views,
            np.broadcast_to(intrinsics, (len(numbers), 3, 3)),
            np.full(len(numbers), self._lens.orthographic),
        )


def _cameras(scene: bpy.types.Scene, options: SampleOptions) -> list[bpy.types.Object]:
    """The camera of each frame; none for a viewport."""
    return cameras_at(scene, options.frames) if options.uses_camera else []


def _find_camera_obstacle(camera: bpy.types.Object | None) -> str | None:
    if camera is None or camera.type != "CAMERA":
        return None  # an error, which making the motion raises
    data: bpy.types.Camera = camera.data  # type: ignore[assignment]  # of a camera object
    if obstacle := find_object_obstacle(camera) or keyframes.find_obstacle(data):
        return obstacle
    for path, _ in keyframes.curves_of(data):
        if path not in _LENS and not path.startswith(_PICTURELESS):
            return f"{camera.name!r} has keyframes of {path}"
    return None


def _find_scene_obstacle(scene: bpy.types.Scene) -> str | None:
    if keyframes.is_animated(scene):
        return f"the scene {scene.name!r} is animated"
    if scene.render.frame_map_old != scene.render.frame_map_new:
        return f"the scene {scene.name!r} stretches time"
    ours = __package__.removesuffix("blender_addon")
    for handler in (*bpy.app.handlers.frame_change_pre, *bpy.app.handlers.frame_change_post):
        module = getattr(handler, "__module__", None) or "a script"
        if not module.startswith(ours):
            return f"{module} acts on every frame"
    return None
