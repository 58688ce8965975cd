"""Armatures and a camera -> `PoseClip`: the only reader of poses.

A long range is sampled in slices, so that the window lives on:

    with Sampling(scene, options) as sampling:
        while not sampling.advance(0.02):
            ...  # return to Blender; show sampling.fraction
        clip = sampling.finish().clip()  # the second on any thread
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import bpy
import numpy as np

from ..core.errors import EmptyRange, NoArmature, NoCamera, PoseError
from ..core.pose.bones.roles import Role
from ..core.pose.clip import PoseClip
from ..core.pose.detect import Detection, detect, from_mapping
from ..core.pose.intrinsics import Lens, camera_intrinsics, window_intrinsics
from ..core.pose.rig import Posed
from .samples import RigSamples, Samples

_BLENDER_TO_CLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # a camera of Blender's looks along -z with y up

# The vertices that say where the crown is: moved by the head bone, no further from it than the hips are (which takes in hats,
# to be told by their size), and no more than are needed to find the extremes.
_HEAD_WEIGHT, _HEAD_REACH, _HEAD_VERTICES, _FEW_VERTICES = 0.5, 1.0, 20_000, 8
_VERTICES_AT_ONCE, _WEIGHTS_AT_ONCE = 50_000, 1_000  # about a millisecond's worth

Rows = tuple[tuple[float, ...], ...]


class Person(NamedTuple):
    """One person of the clip. `mapping` is role -> bone name; None to detect it from the names of the bones."""

    name: str
    armature: bpy.types.Object
    mapping: Mapping[str, str] | None = None


@dataclass(frozen=True)
class View:
    """A 3D viewport as it stood when sampling was asked for: it may be gone, or turned, before the last frame is sampled."""

    view_matrix: Rows  # world to view space
    window_matrix: Rows  # view to clip space
    perspective: bool
    through_camera: bool
    width: int
    height: int

    @classmethod
    def from_region(cls, region: bpy.types.Region, rv3d: bpy.types.RegionView3D) -> View:
        return cls(
            view_matrix=_rows(rv3d.view_matrix),
            window_matrix=_rows(rv3d.window_matrix),
            perspective=rv3d.is_perspective,
            through_camera=rv3d.view_perspective == "CAMERA",
            width=region.width,
            height=region.height,
        )


@dataclass(frozen=True)
class SampleOptions:
    """What to sample.

    people         in the clip's order
    frames         scene frame numbers, in the clip's order
    width, height  of the picture, pixels: the camera is taken as if it rendered this size; a viewport is fitted into it whole
    source         where to look from; a viewport that looks through the scene's camera follows that camera
    view           of source VIEWPORT
    """

    people: tuple[Person, ...]
    frames: Sequence[int]
    width: int
    height: int
    source: Literal["CAMERA", "VIEWPORT"] = "CAMERA"
    view: View | None = None

    @property
    def uses_camera(self) -> bool:
        return self.source == "CAMERA" or (self.view is not None and self.view.through_camera)


def find_bones(armature: bpy.types.Object, mapping: Mapping[str, str] | None = None) -> Detection:
    """Which bone plays which role: as `mapping` says, or detected from names. A few ms: not for a panel's draw().

    Raises `NotHumanoid`.
    """
    parents = {bone.name: bone.parent.name if bone.parent else None for bone in armature.data.bones}
    if mapping is None:
        return detect(parents, repr(armature.name))
    return from_mapping(mapping, parents, repr(armature.name))


def validate(scene: bpy.types.Scene, options: SampleOptions) -> tuple[Detection, ...]:
    """The bones of each person, when all is fit to be sampled.

    Raises `NoArmature`, `NotHumanoid`, `NoCamera`, `EmptyRange`, or `PoseError` for an armature whose pose Blender does not
    evaluate. Changes nothing.
    """
    if not options.people:
        raise NoArmature("No armature is chosen.")
    if not options.frames:
        raise EmptyRange("The frame range is empty.")
    view_layer = _view_layer(scene)
    view_layer.update()
    detections = []
    for name, armature, mapping in options.people:
        if armature is None:
            raise NoArmature(f"{name or 'A person'} has no armature.")
        if armature.type != "ARMATURE":
            raise NoArmature(f"{armature.name!r} is of type {armature.type.title()}, not an armature.")
        if armature.mode == "EDIT":
            raise PoseError(f"{armature.name!r} is in Edit Mode, where it has no pose.", "Leave Edit Mode and try again.")
        _evaluated(armature, view_layer.depsgraph)
        detections.append(find_bones(armature, mapping))
    if options.uses_camera:
        _check_camera(scene)
    elif options.view is None:
        raise NoCamera("There is no 3D viewport to look through.", "Set Source to the scene camera.")
    return tuple(detections)


def sample(scene: bpy.types.Scene, options: SampleOptions) -> PoseClip:
    """Sample at once, for background use; raises what `validate` and `Samples.clip` raise. The scene's frame is restored."""
    with Sampling(scene, options) as sampling:
        sampling.advance(float("inf"))
        return sampling.finish().clip()


class Sampling:
    """Reads poses and cameras frame by frame; moves the scene's frame while at it, and puts it back in `restore()`.

    `evaluation_seconds` is how long Blender itself took to go to the frames, so far. Raises what `validate` raises.
    """

    def __init__(self, scene: bpy.types.Scene, options: SampleOptions):
        detections = validate(scene, options)
        self._scene, self._options = scene, options
        self._was = scene.frame_current, scene.frame_subframe, scene.camera
        self._rigs = [Rig(*person[:2], detection) for person, detection in zip(options.people, detections, strict=True)]
        self._preparing = [rig.prepare(scene) for rig in self._rigs]
        self.evaluation_seconds = 0.0
        self._views: list[np.ndarray] = []  # world to camera space, one a frame
        self._intrinsics: list[np.ndarray] = []
        self._orthographic: list[bool] = []

    def __enter__(self) -> Sampling:
        return self

    def __exit__(self, *_) -> None:
        self.restore()

    @property
    def fraction(self) -> float:
        return len(self._views) / len(self._options.frames)

    def advance(self, seconds: float) -> bool:
        """Do a step at least, and more until `seconds` have passed; a step is a frame, after those that look at the meshes.

        True when all frames are sampled. Raises `PoseError` when an armature can no longer be read.
        """
        deadline = time.perf_counter() + seconds
        frames = self._options.frames
        try:
            while len(self._views) < len(frames):
                if self._preparing:
                    self._prepare()
                else:
                    self._sample(frames[len(self._views)])
                if time.perf_counter() >= deadline:
                    break
        except ReferenceError as error:
            # Between two slices the user can delete the armature, or undo, which replaces every object.
            raise NoArmature("An armature was removed, or an edit undone, while it was sampled.", "Generate again.") from error
        return len(self._views) == len(frames)

    def restore(self) -> None:
        """Put the scene back to the frame it was on. Harmless to repeat."""
        frame, subframe, camera = self._was
        self._go_to(frame, subframe)
        if self._scene.camera != camera:  # markers bound to cameras switched it
            self._scene.camera = camera

    def finish(self) -> Samples:
        """What was sampled of all frames: everything that needs the scene. Quick, however many there are."""
        if self.fraction < 1:
            raise RuntimeError("finish() before advance() returned True")
        options = self._options
        return Samples(
            rigs=tuple(rig.samples() for rig in self._rigs),
            views=self._views,
            intrinsics=self._intrinsics,
            orthographic=self._orthographic,
            frames=options.frames,
            fps=self._scene.render.fps / self._scene.render.fps_base,
            width=options.width,
            height=options.height,
            source={"file": bpy.data.filepath, "view": options.source},
        )

    def _prepare(self) -> None:
        """One step of what is found out before the first frame."""
        try:
            next(self._preparing[0])
        except StopIteration:
            del self._preparing[0]

    def _go_to(self, frame: int, subframe: float = 0.0) -> None:
        began = time.perf_counter()
        self._scene.frame_set(frame, subframe=subframe)
        self.evaluation_seconds += time.perf_counter() - began

    def _sample(self, frame: int) -> None:
        self._go_to(frame)
        depsgraph = _view_layer(self._scene).depsgraph
        for rig in self._rigs:
            rig.sample(depsgraph)
        eye = look(self._scene, self._options, depsgraph)
        self._views.append(eye.view)
        self._intrinsics.append(eye.intrinsics)
        self._orthographic.append(eye.orthographic)


class Eye(NamedTuple):
    """What is looked through at one moment: world to camera space [4, 4], intrinsics [3, 3] in pixels of the picture."""

    view: np.ndarray
    intrinsics: np.ndarray
    orthographic: bool


def look(scene: bpy.types.Scene, options: SampleOptions, depsgraph: bpy.types.Depsgraph) -> Eye:
    """The camera of the scene as `depsgraph` has it, or the viewport of `options`. Raises `NoCamera` or `PoseError`."""
    if options.uses_camera:
        camera = _check_camera(scene).evaluated_get(depsgraph)
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


class Rig:
    """One armature: its bones that play a role, and their matrices so far."""

    def __init__(self, name: str, armature: bpy.types.Object, detection: Detection):
        self._name, self._detection, self._armature = name, detection, armature
        bones = [armature.data.bones[bone] for bone in detection.mapping.values()]
        lengths = np.array([bone.length for bone in bones])
        self._rest = Posed(tuple(detection.mapping), np.array([bone.matrix_local for bone in bones], float), lengths)
        order = {bone.name: number for number, bone in enumerate(armature.pose.bones)}
        self._rows = [order[bone] for bone in detection.mapping.values()]
        self._buffer = np.empty(len(order) * 16, np.float32)
        self._head_vertices: np.ndarray | None = None
        self._matrices: list[np.ndarray] = []  # [B, 4, 4] bone to armature space, one a frame
        self._worlds: list[np.ndarray] = []  # armature to world space, one a frame

    def prepare(self, scene: bpy.types.Scene) -> Iterator[None]:
        """Find the vertices [V, 3] that the head bone moves, armature space, rest pose; of the mesh that follows most bones.

        Hair and hats are often meshes of their own, and follow few. Without such a mesh there are none. In steps of a few
        milliseconds: characters can have a million vertices.
        """
        most = 0
        for mesh in scene.objects:
            follows = self._count_followed(mesh)
            if follows <= most:
                continue
            moved = yield from self._moved_by_head(mesh)
            if len(moved) >= _FEW_VERTICES:
                self._head_vertices, most = moved, follows

    def read(self, depsgraph: bpy.types.Depsgraph) -> tuple[np.ndarray, np.ndarray]:
        """The pose as `depsgraph` has it: bone to armature space [B, 4, 4], and armature to world space [4, 4].

        Raises `PoseError` where Blender does not evaluate it.
        """
        armature = _evaluated(self._armature, depsgraph)
        armature.pose.bones.foreach_get("matrix", self._buffer)
        columns = self._buffer.reshape(-1, 4, 4)[self._rows]  # Blender hands matrices out column by column
        return columns.transpose(0, 2, 1).astype(float), np.array(armature.matrix_world)

    def sample(self, depsgraph: bpy.types.Depsgraph) -> None:
        matrices, world = self.read(depsgraph)
        self._matrices.append(matrices)
        self._worlds.append(world)

    def samples(self) -> RigSamples:
        return RigSamples(
            self._name, self._armature.name, self._detection, self._rest,
            self._head_vertices, self._matrices, self._worlds,
        )  # fmt: skip

    def _count_followed(self, mesh: bpy.types.Object) -> int:
        """How many of the bones move `mesh`; 0 for what is no mesh of this armature, or follows not the head."""
        if mesh.type != "MESH" or self._detection.mapping[Role("head")] not in mesh.vertex_groups:
            return 0
        if not any(modifier.type == "ARMATURE" and modifier.object == self._armature for modifier in mesh.modifiers):
            return 0
        return sum(bone in mesh.vertex_groups for bone in self._detection.mapping.values())

    def _moved_by_head(self, mesh: bpy.types.Object) -> Generator[None, None, np.ndarray]:
        """The vertices [V, 3], armature space, near the head that its bone moves."""
        head = self._rest.head("head")
        reach = _HEAD_REACH * np.linalg.norm(head - self._rest.middle("thigh"))
        local = np.empty(len(mesh.data.vertices) * 3, np.float32)
        mesh.data.vertices.foreach_get("co", local)
        local = local.reshape(-1, 3)
        to_armature = np.array(self._armature.matrix_world.inverted_safe() @ mesh.matrix_world)
        yield
        near = []
        for start in range(0, len(local), _VERTICES_AT_ONCE):
            vertices = local[start : start + _VERTICES_AT_ONCE] @ to_armature[:3, :3].T + to_armature[:3, 3]
            near.append(start + np.flatnonzero(np.linalg.norm(vertices - head, axis=1) < reach))
            yield
        candidates = np.concatenate([*near, np.empty(0, int)])
        candidates = candidates[:: len(candidates) // _HEAD_VERTICES + 1].tolist()
        group = mesh.vertex_groups[self._detection.mapping[Role("head")]].index
        moved: list[int] = []
        for start in range(0, len(candidates), _WEIGHTS_AT_ONCE):
            some = candidates[start : start + _WEIGHTS_AT_ONCE]
            moved += [number for number in some if _weight(mesh.data.vertices[number], group) > _HEAD_WEIGHT]
            yield
        return local[moved] @ to_armature[:3, :3].T + to_armature[:3, 3]


def _weight(vertex: bpy.types.MeshVertex, group: int) -> float:
    return next((entry.weight for entry in vertex.groups if entry.group == group), 0.0)


def _evaluated(armature: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bpy.types.Object:
    evaluated = armature.evaluated_get(depsgraph)
    if not evaluated.is_evaluated:
        # Hidden by the eye in the outliner is fine; disabled or excluded means that Blender skips its animation.
        raise PoseError(
            f"{armature.name!r} is disabled in viewports, or in a collection that is, so Blender does not animate it.",
            "Enable it in the outliner (the monitor icon, or the collection's checkbox) and hide it with the eye instead.",
        )
    return evaluated


def _check_camera(scene: bpy.types.Scene) -> bpy.types.Object:
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


def _view_layer(scene: bpy.types.Scene) -> bpy.types.ViewLayer:
    return bpy.context.view_layer if bpy.context.scene == scene else scene.view_layers[0]


def _rows(matrix) -> Rows:
    return tuple(tuple(row) for row in matrix)
