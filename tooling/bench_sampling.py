"""How fast poses are sampled, against Blender only going to the frames: part of `build.py bench`.

    python -m tooling.bench_sampling     a generated Rigify human, in a process of its own: Rigify hangs Python's exit
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable

import bpy
from understudy.blender_addon import demo
from understudy.blender_addon.demo_character import make_armature
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import Sampling, sample
from understudy.core.pose.clip import PoseClip

ROUNDS = 5
RIGIFY_FRAMES, MANY_FRAMES = 200, 1000


def bench(frames: int) -> PoseClip:
    """Print the ratios; returns the demo scene's clip."""
    clip = _bench_demo(frames)
    _bench_keyframes()
    subprocess.run([sys.executable, "-m", "tooling.bench_sampling"], check=True)
    return clip


def _bench_demo(frames: int) -> PoseClip:
    scene = _empty_scene()
    options = _options(demo.make_scene(scene, frames), frames)
    stepping, sampling = _by_turns(lambda: _step_through(scene, options), lambda: sample(scene, options))
    print(f"sampling    {frames / sampling:8.1f} frames/s of the demo, {sampling / stepping:.2f} x the time of frame_set alone")
    return sample(scene, options)


def _bench_keyframes() -> None:
    """A rig of 52 bones without a mesh, all its bones keyed at every frame; and how many steps it comes in."""
    scene = _empty_scene()
    armature = make_armature(scene)
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.location, scene.camera.rotation_euler = (0, -5, 1), (math.pi / 2, 0, 0)
    _key(armature, list(armature.pose.bones), MANY_FRAMES)
    options = _options(armature, MANY_FRAMES)
    stepping, sampling = _by_turns(lambda: _step_through(scene, options), lambda: sample(scene, options))
    with Sampling(scene, options) as steps:
        count = 1
        while not steps.advance(0):
            count += 1
        if steps.obstacle:
            raise RuntimeError(f"Keyframes do not tell all: {steps.obstacle}.")
    print(
        f"keyframes   {MANY_FRAMES / sampling:8.1f} frames/s of {len(armature.pose.bones)} keyed bones, "
        f"{stepping / sampling:.1f} x the rate of frame_set alone; {MANY_FRAMES} frames in {count} steps"
    )


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
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.location, scene.camera.rotation_euler = (0, -5, 1), (math.pi / 2, 0, 0)
    controls = ("torso", "chest", "hand_ik.L", "hand_ik.R", "foot_ik.L", "foot_ik.R", "head")
    _key(rig, [rig.pose.bones[name] for name in controls], RIGIFY_FRAMES)
    options = _options(rig, RIGIFY_FRAMES)
    stepping, sampling = _by_turns(lambda: _step_through(scene, options), lambda: sample(scene, options))
    print(
        f"rigify      {RIGIFY_FRAMES / sampling:8.1f} frames/s of {len(rig.pose.bones)} bones, "
        f"{sampling / stepping:.2f} x the time of frame_set alone"
    )


def _empty_scene() -> bpy.types.Scene:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return bpy.context.scene


def _options(armature: bpy.types.Object, frames: int) -> SampleOptions:
    return SampleOptions((Person(armature.name, armature),), range(1, frames + 1), 384, 512)


def _key(armature: bpy.types.Object, bones: list[bpy.types.PoseBone], frames: int) -> None:
    """Sway every bone a little, with a key of location and rotation at every frame."""
    for number, bone in enumerate(bones):
        bone.rotation_mode = "XYZ"
        for frame in range(1, frames + 1):
            bone.rotation_euler.x = 0.1 * math.sin(frame / 7 + number)
            bone.keyframe_insert("rotation_euler", frame=frame)
            bone.location.z = 0.01 * math.cos(frame / 9 + number)
            bone.keyframe_insert("location", frame=frame)


def _step_through(scene: bpy.types.Scene, options: SampleOptions) -> None:
    for frame in options.frames:
        scene.frame_set(frame)


def _by_turns(*works: Callable[[], object]) -> list[float]:
    """The shortest run of each, seconds; by turns, so that whoever else uses the machine slows all of them."""
    shortest = [math.inf] * len(works)
    for _ in range(ROUNDS):
        for number, work in enumerate(works):
            began = time.perf_counter()
            work()
            shortest[number] = min(shortest[number], time.perf_counter() - began)
    return shortest


if __name__ == "__main__":
    _bench_rigify()
    sys.stdout.flush()
    os._exit(0)
