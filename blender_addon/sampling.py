"""Armatures and a camera -> `PoseClip`: the only reader of poses.

A long range is sampled in slices, so that the window lives on:

    with Sampling(scene, options) as sampling:
        while not sampling.advance(0.02):
            ...  # return to Blender; show sampling.fraction
        clip = sampling.finish().clip()  # the second on any thread
"""

from __future__ import annotations

import time
from typing import NamedTuple

import bpy

from ..core.errors import EmptyRange, NoArmature, NoCamera, PoseError
from ..core.pose.clip import PoseClip
from ..core.pose.detect import Detection
from .instances import find_person
from .rigs import Rig, evaluated, find_bones
from .sample_options import Person, SampleOptions
from .samples import Samples
from .viewpoint import Eye, check_camera, look


class Found(NamedTuple):
    """A person fit to be sampled: with the armature itself, and which of its bones plays which role."""

    person: Person
    bones: Detection


def validate(scene: bpy.types.Scene, options: SampleOptions) -> tuple[Found, ...]:
    """Each person with the bones, when all is fit to be sampled.

    Raises `NoArmature`, `NotHumanoid`, `NoCamera`, `EmptyRange`, or `PoseError` for an armature whose pose Blender does not
    evaluate. Changes nothing.
    """
    if not options.people:
        raise NoArmature("No armature is chosen.")
    if not options.frames:
        raise EmptyRange("The frame range is empty.")
    view_layer = _view_layer(scene)
    view_layer.update()
    found = []
    for person in map(find_person, options.people):
        armature = person.armature
        if armature.mode == "EDIT":
            raise PoseError(f"{armature.name!r} is in Edit Mode, where it has no pose.", "Leave Edit Mode and try again.")
        for owner in (*person.instancers, armature):
            evaluated(owner, view_layer.depsgraph)
        found.append(Found(person, find_bones(armature, person.mapping)))
    if options.uses_camera:
        check_camera(scene)
    elif options.view is None:
        raise NoCamera("There is no 3D viewport to look through.", "Set Source to the scene camera.")
    return tuple(found)


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
        people = validate(scene, options)
        self._scene, self._options = scene, options
        self._was = scene.frame_current, scene.frame_subframe, scene.camera
        self._rigs = [Rig(*person) for person in people]
        self._preparing = [rig.prepare(scene) for rig in self._rigs]
        self.evaluation_seconds = 0.0
        self._eyes: list[Eye] = []  # one a frame

    def __enter__(self) -> Sampling:
        return self

    def __exit__(self, *_) -> None:
        self.restore()

    @property
    def fraction(self) -> float:
        return len(self._eyes) / len(self._options.frames)

    def advance(self, seconds: float) -> bool:
        """Do a step at least, and more until `seconds` have passed; a step is a frame, after those that look at the meshes.

        True when all frames are sampled. Raises `PoseError` when an armature can no longer be read.
        """
        deadline = time.perf_counter() + seconds
        frames = self._options.frames
        try:
            while len(self._eyes) < len(frames):
                if self._preparing:
                    self._prepare()
                else:
                    self._sample(frames[len(self._eyes)])
                if time.perf_counter() >= deadline:
                    break
        except ReferenceError as error:
            # Between two slices the user can delete the armature, or undo, which replaces every object.
            raise NoArmature("An armature was removed, or an edit undone, while it was sampled.", "Generate again.") from error
        return len(self._eyes) == len(frames)

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
            views=[eye.view for eye in self._eyes],
            intrinsics=[eye.intrinsics for eye in self._eyes],
            orthographic=[eye.orthographic for eye in self._eyes],
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
        self._eyes.append(look(self._scene, self._options, depsgraph))


def _view_layer(scene: bpy.types.Scene) -> bpy.types.ViewLayer:
    return bpy.context.view_layer if bpy.context.scene == scene else scene.view_layers[0]


