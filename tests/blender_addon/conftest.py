"""Real parts for the add-on's tests: Blender with the add-on enabled, its demo character, a running server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Vector
from understudy.blender_addon import demo, server_process
from understudy.blender_addon.client import Client
from understudy.blender_addon.server_process import LocalServer
from understudy.core.pose.clip import PoseClip

# A person of 1.7 m who faces -y, with Unreal's names: bone -> (parent, head, tail) of the left half and the middle.
MIDDLE = {
    "pelvis": (None, (0, 0, 0.93), (0, 0, 1.02)),
    "spine_01": ("pelvis", (0, 0, 1.02), (0, 0, 1.14)),
    "spine_02": ("spine_01", (0, 0, 1.14), (0, 0, 1.26)),
    "spine_03": ("spine_02", (0, 0, 1.26), (0, 0, 1.42)),
    "neck_01": ("spine_03", (0, 0, 1.42), (0, 0, 1.53)),
    "head": ("neck_01", (0, 0, 1.53), (0, 0, 1.7)),
}
LEFT = {
    "clavicle": ("spine_03", (0.03, 0, 1.4), (0.17, 0, 1.4)),
    "upperarm": ("clavicle", (0.17, 0, 1.4), (0.45, 0, 1.4)),
    "lowerarm": ("upperarm", (0.45, 0, 1.4), (0.7, 0, 1.4)),
    "hand": ("lowerarm", (0.7, 0, 1.4), (0.78, 0, 1.4)),
    "index_01": ("hand", (0.79, 0, 1.4), (0.83, 0, 1.4)),
    "index_02": ("index_01", (0.83, 0, 1.4), (0.855, 0, 1.4)),
    "index_03": ("index_02", (0.855, 0, 1.4), (0.875, 0, 1.4)),
    "thigh": ("pelvis", (0.1, 0, 0.9), (0.1, -0.01, 0.48)),
    "calf": ("thigh", (0.1, -0.01, 0.48), (0.1, 0.02, 0.07)),
    "foot": ("calf", (0.1, 0.02, 0.07), (0.1, -0.12, 0.02)),
    "ball": ("foot", (0.1, -0.12, 0.02), (0.1, -0.18, 0.02)),
}


@pytest.fixture(scope="session")
def local_server(tmp_path_factory) -> Iterator[LocalServer]:
    """How the add-on reaches the one server of these tests, which runs on this very Python."""
    server = LocalServer(Path(sys.executable), tmp_path_factory.mktemp("server"), idle_minutes=5)
    yield server
    server_process.stop(server.data)


@pytest.fixture(scope="session")
def client(local_server) -> Client:
    return local_server.connect(threading.Event(), lambda: None)


@pytest.fixture
def clip_of() -> Callable[[str], PoseClip]:
    """Makes a clip of three frames of somebody of a given name."""

    def make(name: str) -> PoseClip:
        points = np.random.default_rng(7).uniform(-0.5, 0.5, (3, 1, 134, 3)).astype(np.float32) + np.float32([0, 0, 3])
        lens = np.array([[80, 0, 32], [0, 80, 32], [0, 0, 1]], np.float32)
        return PoseClip(
            points, np.ones((3, 1, 134), bool), np.tile(lens, (3, 1, 1)), np.zeros(3, bool),
            np.arange(5, 8, dtype=np.int32), 24.0, 64, 64, (name,),
        )  # fmt: skip

    return make


@pytest.fixture
def scene(local_server, tmp_path, monkeypatch) -> Iterator[bpy.types.Scene]:
    """An empty scene in a Blender with the add-on enabled, whose takes are kept in `tmp_path / "takes"`."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_enable(module="understudy")
    preferences = bpy.context.preferences.addons["understudy"].preferences
    preferences.environment_mode = "EXISTING"
    preferences.python_path = str(local_server.python)
    preferences.data_folder = str(local_server.data)
    preferences.takes_folder = str(tmp_path / "takes")
    yield bpy.context.scene
    bpy.ops.preferences.addon_disable(module="understudy")


@pytest.fixture
def character(scene, tmp_path) -> bpy.types.Object:
    """The demo character's armature, as the one person of a small take of frames 5 to 7, with a reference."""
    armature = demo.make_scene(scene)
    settings = scene.understudy
    settings.use_scene_range, settings.frame_start, settings.frame_end = False, 5, 7
    settings.width = settings.height = 64
    settings.steps = 2
    person = settings.people.add()
    person.armature = armature
    person.reference = str(tmp_path / "reference.png")
    picture = bpy.data.images.new("reference", 64, 64)
    picture.save(filepath=person.reference)
    return armature


def _bones_of_a_person() -> dict[str, tuple]:
    bones = dict(MIDDLE)
    for suffix, sign in (("_l", 1), ("_r", -1)):
        for name, (parent, head, tail) in LEFT.items():
            parent = parent if parent in MIDDLE else parent + suffix
            bones[name + suffix] = (parent, (sign * head[0], *head[1:]), (sign * tail[0], *tail[1:]))
    return bones


def _make_armature(scene, bones=None, name="Ann", size=1.0) -> bpy.types.Object:
    """An armature object with these bones, its data `size` times as large."""
    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, (parent, head, tail) in (_bones_of_a_person() if bones is None else bones).items():
        edit_bone = armature.data.edit_bones.new(bone)
        edit_bone.head, edit_bone.tail = Vector(head) * size, Vector(tail) * size
        if parent:
            edit_bone.parent = armature.data.edit_bones[parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


@pytest.fixture
def bones_of_a_person() -> Callable[[], dict[str, tuple]]:
    """Gives a person's bones: name -> (parent, head, tail)."""
    return _bones_of_a_person


@pytest.fixture
def make_armature() -> Callable[..., bpy.types.Object]:
    """Makes an armature of `scene`, `bones` (a person's by default), `name` and `size`."""
    return _make_armature
