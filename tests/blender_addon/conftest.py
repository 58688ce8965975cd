"""Real parts for the add-on's tests: Blender with the add-on enabled, its demo character, a running server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest
from understudy.blender_addon import demo, server_process
from understudy.blender_addon.client import Client
from understudy.blender_addon.server_process import LocalServer
from understudy.core.pose.clip import PoseClip


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
