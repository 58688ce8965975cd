"""From the operator to a strip with engines whose weights are published apart: tiny ones, in that layout, on a real server."""

from __future__ import annotations

import threading

import bpy
import pytest
from published_weights import MAKERS
from understudy.blender_addon import server_process
from understudy.blender_addon.plan import find_engine_limit
from understudy.blender_addon.preferences import preferences
from understudy.blender_addon.sequencer import strips_of
from understudy.blender_addon.server_control import _describe, server
from understudy.blender_addon.session import session
from understudy.core.engines.placement import fastest
from understudy.core.errors import InvalidWeights


@pytest.fixture
def weights(tmp_path, scene):
    """The weights folder of the preferences, each family's below it, and a server of this test's own."""
    folder = tmp_path / "weights"
    for name, make in MAKERS.items():
        make(folder / name)
    preferences().data_folder, preferences().weights_folder = str(tmp_path / "server"), str(folder)
    yield folder
    server_process.stop(tmp_path / "server")
    server.abandon()


def ask_for_engines() -> None:
    """As the panel does every few seconds, on a thread."""
    server._handle(_describe(preferences().server().connect(threading.Event(), lambda: None)))


def test_tiny_checkpoints_of_each_family_become_strips_and_a_broken_one_is_told_before_anything_is_sampled(
    weights, scene, character
):
    settings = scene.understudy
    ask_for_engines()
    assert not any(engine.lacking for engine in server.engines)
    assert server.precision == ""  # no worker has started yet
    for number, name in enumerate(MAKERS, 1):
        settings.engine_choice = name
        settings.width, settings.height, settings.steps = 60, 92, 1  # neither is a multiple of 8
        settings.context_frames = 2
        assert bpy.ops.understudy.generate(wait=True) == {"FINISHED"}, session.error
        strips = strips_of(scene.sequence_editor)
        assert len(strips) == number
        strip = max(strips, key=lambda strip: strip.channel)
        assert (strip.frame_final_start, strip.frame_final_duration) == (5, 3)
        picture = bpy.data.images.load(bpy.path.abspath(strip.directory + strip.elements[0].filename))
        assert tuple(picture.size) == (60, 92)

    (half,) = (path for path in (weights / name).rglob("diffusion_pytorch_model.safetensors") if "vae" in path.parent.name)
    half.write_bytes(half.read_bytes()[:1000])
    ask_for_engines()
    assert server.precision == fastest("cpu")
    error = find_engine_limit(bpy.context)
    assert isinstance(error, InvalidWeights) and "truncated" in error.remedy and "published at" in error.remedy
    assert not bpy.ops.understudy.generate.poll()
