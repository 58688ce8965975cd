"""Armatures and a camera -> `PoseClip`: the only reader of poses.

A long range is sampled in slices, so that the window lives on:

    with Sampling(scene, options) as sampling:
        while not sampling.advance(0.02):
            ...  # return to Blender; show sampling.fraction
        clip = sampling.finish().clip()  # the second on any thread
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import bpy
import numpy as np

from ..core.errors import EmptyRange, NoArmature, NoCamera, NotHumanoid, PoseError
from ..core.pose.clip import PoseClip
from ..core.pose.detect import Detection
from ..core.pose.rig import Attachment
from .face_shapes import FaceShapes
from .instances import find_person
from .keyed_motion import KeyedMotion, Moved, find_obstacle
from .mapping import fingerprint
from .occlusion import Target, find_hidden
from .rigs import Rig, evaluated, find_bones
from .sample_options import Person, SampleOptions
from .samples import RigSamples, Samples
from .viewpoint import cameras_at, check_camera, look

_TOLERANCE, _PRECISION = 1e-5, 2e-6  # metres, and the share of a coordinate that single precision keeps


class Found(NamedTuple):
    """A person fit to be sampled: with the armature itself, and which of its bones plays which role."""

    person: Person
    bones: Detection


def validate(scene: bpy.types.Scene, options: SampleOptions) -> tuple[Found, ...]:
    """Each person with the bones, when all is fit to be sampled.

    Raises `NoArmature`, `NotHumanoid`, `NoCamera`, `EmptyRange`, or `PoseError` for an armature whose pose Blender does not
    evaluate. Where only the scene's frames show who somebody is, it goes there and comes back: see `find_bones`.
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
        found.append(Found(person, find_bones(armature, person.mapping, view_layer.depsgraph)))
    if options.uses_camera:
        check_camera(scene, cameras_at(scene, options.frames[:1])[0])
    elif options.view is None:
        raise NoCamera("There is no 3D viewport to look through.", "Set Source to the scene camera.")
    return tuple(found)


def sample(scene: bpy.types.Scene, options: SampleOptions) -> PoseClip:
    """Sample at once, for background use; raises what `validate` and `Samples.clip` raise. The scene's frame is restored."""
    with Sampling(scene, options) as sampling:
        sampling.advance(float("inf"))
        return sampling.finish().clip()


class Sampling:
    """Reads poses and cameras; moves the scene's frame while at it, and puts it back in `restore()`.

    Frame by frame, as Blender evaluates them; or, where only keyframes move anything, many frames at a time without going to
    them. The latter is checked against the former at both ends of the range.

    evaluation_seconds  how long Blender itself took to go to the frames, so far
    obstacle            why it has to go to every frame, for people; None where keyframes tell all

    Raises what `validate` raises.
    """

    def __init__(self, scene: bpy.types.Scene, options: SampleOptions):
        people = validate(scene, options)
        self._scene, self._options = scene, options
        self._was = scene.frame_current, scene.frame_subframe, scene.camera
        self._people = [person for person, _ in people]
        self._marks = [fingerprint(person.armature) for person in self._people]
        self._rigs = [Rig(*person) for person in people]
        self._attachments: list[Attachment] = []  # one a person where occlusion is asked for
        self._views: list[np.ndarray] = []  # one a frame, and so the others
        self._intrinsics: list[np.ndarray] = []
        self._orthographic: list[bool] = []
        self.evaluation_seconds = 0.0
        self._faces = [FaceShapes(scene, person) for person, _ in people]
        self._shapes: list[list[np.ndarray]] = [[] for _ in people]  # [S] values of each person's face, one a frame
        moved = [Moved(person, tuple(d.bones.values()), face) for (person, d), face in zip(people, self._faces, strict=True)]
        self.obstacle = self._find_obstacle(moved)
        self._motion = None if self.obstacle else KeyedMotion(scene, options, moved)
        self._preparing = self._prepare()

    def __enter__(self) -> Sampling:
        return self

    def __exit__(self, *_) -> None:
        self.restore()

    @property
    def fraction(self) -> float:
        return len(self._views) / len(self._options.frames)

    def advance(self, seconds: float) -> bool:
        """Do a step at least, and more until `seconds` have passed; a step is a frame or a few milliseconds' work.

        True when all frames are sampled. Raises `PoseError` when something can no longer be read.
        """
        deadline = time.perf_counter() + seconds
        try:
            for person, mark in zip(self._people, self._marks, strict=True):
                if person.armature.mode == "EDIT" or fingerprint(person.armature) != mark:
                    raise ReferenceError("the bones are edited")
            while self.fraction < 1:
                if next(self._preparing, None) is None:
                    self._sample()
                if time.perf_counter() >= deadline:
                    break
        except ReferenceError as error:
            # Between two slices the user can delete anything, or undo, which replaces every object.
            raise PoseError(
                "An armature, or what moves with it, was removed or edited, or an edit undone, while it was sampled.",
                "Generate again.",
            ) from error
        return self.fraction == 1

    def restore(self) -> None:
        """Put the scene back to the frame it was on. Harmless to repeat, and where the scene or its camera is gone."""
        frame, subframe, camera = self._was
        with contextlib.suppress(ReferenceError):  # there is nothing to go back to
            self._go_to(frame, subframe)
            if self._scene.camera != camera:  # markers bound to cameras switched it
                self._scene.camera = camera

    def finish(self) -> Samples:
        """What was sampled of all frames: everything that needs the scene. Quick, however many there are."""
        if self.fraction < 1:
            raise RuntimeError("finish() before advance() returned True")
        options = self._options
        return Samples(
            rigs=tuple(self._samples(number) for number in range(len(self._rigs))),
            views=self._views,
            intrinsics=self._intrinsics,
            orthographic=self._orthographic,
            frames=options.frames,
            fps=self._scene.render.fps / self._scene.render.fps_base,
            width=options.width,
            height=options.height,
            source={"file": bpy.data.filepath, "view": options.source},
            alignments=options.alignments,
        )

    def _prepare(self) -> Iterator[str]:
        """What is found out before the first frame, step by step."""
        for rig in self._rigs:
            for _ in rig.prepare(self._scene):
                yield "meshes"
        if self._options.occlusion:
            yield from self._attach()
        if self._motion:
            for _ in self._motion.prepare():
                yield "keyframes"
            for number in sorted({0, len(self._options.frames) - 1}):
                if self._motion and not self._agrees(self._motion, number):
                    self._motion, self.obstacle = None, "something else than keyframes moves the people or the camera"
                yield "check"

    def _samples(self, number: int) -> RigSamples:
        names = self._faces[number].names
        face = dict(zip(names, np.array(self._shapes[number]).T, strict=True)) if names else {}
        return dataclasses.replace(self._rigs[number].samples(), face=face)

    def _find_obstacle(self, people: Sequence[Moved]) -> str | None:
        if not self._options.keyframes:
            return "it is asked for"
        if self._options.occlusion:
            return "the scene's geometry is looked at"
        return find_obstacle(self._scene, self._options, people)

    def _attach(self) -> Iterator[str]:
        """By the rest pose, else by the first frame in which the person stands, as `RigSamples` does it.

        Raises `NotHumanoid`.
        """
        *others, last = self._options.frames
        for rig in self._rigs:
            for frame in others:
                with contextlib.suppress(NotHumanoid):
                    self._attachments.append(rig.attach(self._go_to(frame)))
                    break
                yield "occlusion"
            else:
                self._attachments.append(rig.attach(self._go_to(last)))
            yield "occlusion"

    def _agrees(self, motion: KeyedMotion, number: int) -> bool:
        """Whether frame `number` of the range is in Blender what the keyframes tell."""
        frame = slice(number, number + 1)
        depsgraph = self._go_to(self._options.frames[number])
        for rig, (matrices, worlds) in zip(self._rigs, motion.poses(frame), strict=True):
            bones, world = rig.read(depsgraph)
            if not np.allclose(world @ bones, worlds @ matrices[0], rtol=_PRECISION, atol=_TOLERANCE):
                return False
        for face, (values,) in zip(self._faces, motion.faces(frame), strict=True):
            if not np.allclose(face.read(depsgraph), values, atol=_TOLERANCE):
                return False
        keyed, eye = motion.eyes(frame), look(self._scene, self._options, depsgraph)
        same = keyed.orthographic[0] == eye.orthographic
        for telling, true in ((keyed.views, eye.view), (keyed.intrinsics, eye.intrinsics)):
            same = same and np.allclose(telling[0], true, rtol=_PRECISION, atol=_TOLERANCE)
        return bool(same)

    def _go_to(self, frame: int, subframe: float = 0.0) -> bpy.types.Depsgraph:
        began = time.perf_counter()
        self._scene.frame_set(frame, subframe=subframe)
        self.evaluation_seconds += time.perf_counter() - began
        return _view_layer(self._scene).depsgraph

    def _sample(self) -> None:
        """The next frame, or the next few by their keyframes."""
        done = len(self._views)
        if self._motion:
            frames = slice(done, done + self._motion.frames_at_once)
            for rig, (matrices, worlds) in zip(self._rigs, self._motion.poses(frames), strict=True):
                rig.keep(matrices, worlds)
            for kept, values in zip(self._shapes, self._motion.faces(frames), strict=True):
                kept.extend(values)
            self._look(*self._motion.eyes(frames))
            return
        depsgraph = self._go_to(self._options.frames[done])
        eye = look(self._scene, self._options, depsgraph)
        poses = [rig.read(depsgraph) for rig in self._rigs]
        for rig, (bones, world) in zip(self._rigs, poses, strict=True):
            rig.keep([bones], [world])
        for kept, face in zip(self._shapes, self._faces, strict=True):
            kept.append(face.read(depsgraph))
        if self._options.occlusion:
            people = zip(self._people, self._attachments, poses, strict=True)
            targets = [Target.of(person, attachment, *pose) for person, attachment, pose in people]
            for rig, hidden in zip(self._rigs, find_hidden(depsgraph, eye, targets), strict=True):
                rig.hide(hidden)
        self._look([eye.view], [eye.intrinsics], [eye.orthographic])

    def _look(self, views: Iterable[np.ndarray], intrinsics: Iterable[np.ndarray], orthographic: Iterable[bool]) -> None:
        self._views.extend(views)
        self._intrinsics.extend(intrinsics)
        self._orthographic.extend(orthographic)


def _view_layer(scene: bpy.types.Scene) -> bpy.types.ViewLayer:
    return bpy.context.view_layer if bpy.context.scene == scene else scene.view_layers[0]


