"""How fast poses are sampled, against Blender only going to the frames: part of `build.py bench`.

    python -m tooling.bench_sampling     a generated Rigify human, in a process of its own: Rigify hangs Python's exit
"""

from __future__ import annotations

import math
import os
import subprocess
import sys

import bpy
from understudy.blender_addon import demo
from understudy.blender_addon.demo_character import make_armature
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import Sampling, sample
from understudy.core.pose.clip import PoseClip

from .timing import Race

ROUNDS = 5
RIGIFY_FRAMES, MANY_FRAMES = 250, 1000
KEYED = (  # title, frames from key to key, rotation mode
    ("keyed at every frame", 1, "XYZ"),
    ("Bezier keys every 12 frames", 12, "XYZ"),
    ("Bezier keys of quaternions every 12 frames", 12, "QUATERNION"),
)


def bench(frames: int) -> PoseClip:
    """Print the ratios; returns the demo scene's clip."""
    clip = _bench_demo(frames)
    for title, every, mode in KEYED:
        _bench_keyframes(title, every, mode)
    subprocess.run([sys.executable, "-m", "tooling.bench_sampling"], check=True)
    return clip


def _bench_demo(frames: int) -> PoseClip:
    scene = _empty_scene()
    options = _options(demo.make_scene(scene, frames), frames)
    _tell("sampling", scene, options, f"the demo, {frames} frames")
    return sample(scene, options)


def _bench_keyframes(title: str, every: int, mode: str) -> None:
    """A rig without a mesh; and how many steps it comes in."""
    scene = _empty_scene()
    armature = make_armature(scene)
    _add_camera(scene)
    _key(armature, list(armature.pose.bones), MANY_FRAMES, every, mode)
    options = _options(armature, MANY_FRAMES)
    with Sampling(scene, options) as steps:
        count = 1
        while not steps.advance(0):
            count += 1
        if steps.obstacle:
            raise RuntimeError(f"Keyframes do not tell all: {steps.obstacle}.")
    bones = len(armature.pose.bones)
    _tell("keyframes", scene, options, f"{bones} bones, {title}; {MANY_FRAMES} frames in {count} steps", faster=True)


def _bench_rigify() -> None:
    """A generated Rigify human, moved by its controls."""
    import addon_utils  # Blender's own: there once bpy is imported

    scene = _empty_scene()
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_human_metarig_add()
    metarig = bpy.context.object
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    bpy.data.objects.remove(metarig)
    _add_camera(scene)
    controls = ("torso", "chest", "hand_ik.L", "hand_ik.R", "foot_ik.L", "foot_ik.R", "head")
    _key(rig, [rig.pose.bones[name] for name in controls], RIGIFY_FRAMES)
    options = _options(rig, RIGIFY_FRAMES)
    _tell("rigify", scene, options, f"{len(rig.pose.bones)} bones, {RIGIFY_FRAMES} frames")


def _tell(what: str, scene: bpy.types.Scene, options: SampleOptions, of: str, faster: bool = False) -> None:
    """The rate, and what sampling takes of the time of only going to the frames, or how often it goes into that."""
    race = Race({"stepping": lambda: _step_through(scene, options), "sampling": lambda: sample(scene, options)}, ROUNDS)
    rate = len(options.frames) / race.seconds("sampling")
    against = f"{race.told('stepping', 'sampling')} the rate" if faster else f"{race.told('sampling', 'stepping')} the time"
    print(f"{what:11} {rate:8.1f} frames/s, {against} of frame_set alone: {of}", flush=True)


def _empty_scene() -> bpy.types.Scene:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return bpy.context.scene


def _add_camera(scene: bpy.types.Scene) -> None:
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.location, scene.camera.rotation_euler = (0, -5, 1), (math.pi / 2, 0, 0)


def _options(armature: bpy.types.Object, frames: int) -> SampleOptions:
    return SampleOptions((Person(armature.name, armature),), range(1, frames + 1), 384, 512)


def _key(armature: bpy.types.Object, bones: list[bpy.types.PoseBone], frames: int, every: int = 1, mode: str = "XYZ") -> None:
    """Sway every bone a little, with a key of location and rotation at every so many frames; not all on the same ones."""
    path = "rotation_quaternion" if mode == "QUATERNION" else "rotation_euler"
    for number, bone in enumerate(bones):
        bone.rotation_mode = mode
        for frame in range(1 - number % every, frames + every, every):
            getattr(bone, path)[1] = 0.1 * math.sin(frame / 7 + number)
            bone.keyframe_insert(path, frame=frame)
            bone.location.z = 0.01 * math.cos(frame / 9 + number)
            bone.keyframe_insert("location", frame=frame)


def _step_through(scene: bpy.types.Scene, options: SampleOptions) -> None:
    for frame in options.frames:
        scene.frame_set(frame)


if __name__ == "__main__":
    _bench_rigify()
    sys.stdout.flush()
    os._exit(0)
