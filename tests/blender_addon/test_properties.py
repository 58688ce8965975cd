import bpy
import pytest
from understudy.blender_addon.messages import EngineInfo
from understudy.blender_addon.server_control import server
from understudy.core.protocol import GenerationSettings


def engine(name: str, **settings) -> EngineInfo:
    return EngineInfo(
        name, name.title(), "GPL-3.0-or-later", "bundled", 1500, 32, True, GenerationSettings(engine=name, **settings)
    )


@pytest.fixture
def settings(scene, monkeypatch):
    monkeypatch.setattr(
        server, "engines", (engine("understudy"), engine("other", width=512, height=768, steps=25, guidance=3.5))
    )
    return scene.understudy


def test_a_chosen_engine_brings_its_published_settings(settings):
    settings.engine_choice = "other"
    assert (settings.width, settings.height, settings.steps, settings.guidance) == (512, 768, 25, 3.5)
    assert settings.generation_settings().engine == "other"


def test_choosing_the_same_engine_again_keeps_the_users_settings(settings):
    settings.steps = 3
    settings.engine_choice = "understudy"
    assert settings.steps == 3


def test_the_order_of_the_servers_engines_does_not_change_the_scene(settings, monkeypatch):
    settings.engine_choice = "other"
    monkeypatch.setattr(server, "engines", tuple(reversed(server.engines)))
    assert settings.engine_choice == "other"


def test_an_engine_that_the_server_does_not_know_stays_chosen(settings):
    settings.engine = "future"
    assert settings.engine_choice == "future"


def test_settings_are_kept_in_the_file(settings, tmp_path):
    settings.engine_choice = "other"
    settings.people.add().reference = "//ann.png"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    kept = bpy.context.scene.understudy
    assert (kept.engine, kept.width, kept.people[0].reference) == ("other", 512, "//ann.png")
