import bpy
import pytest
from understudy.blender_addon.messages import EngineInfo
from understudy.blender_addon.plan import find_engine_limit
from understudy.blender_addon.server_control import server
from understudy.core.protocol import GenerationSettings


def engine(name: str, **settings) -> EngineInfo:
    return EngineInfo(
        name, name.title(), "GPL-3.0-or-later", 1500, 64 if name == "other" else 32, 768 * 768, True, 2,
        GenerationSettings(engine=name, **settings),
    )  # fmt: skip


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


@pytest.mark.parametrize(("asked", "got"), [(100, 96), (1, 32), (192, 192), (113, 128)])
def test_sizes_are_those_the_engine_can_draw(settings, asked, got):
    settings.width = settings.height = asked
    assert (settings.width, settings.height) == (got, got)


def test_sizes_follow_the_multiple_of_the_chosen_engine(settings):
    settings.engine_choice = "other"
    settings.width = 100
    assert settings.width == 128


def test_more_people_or_pixels_than_the_engine_draws_are_refused_before_anything_is_sampled(settings):
    assert find_engine_limit(bpy.context) is None
    for _ in range(3):
        settings.people.add()
    assert "at most 2 people" in find_engine_limit(bpy.context).message
    settings.people.clear()
    settings.width = settings.height = 4096
    assert "4096 x 4096 is more" in find_engine_limit(bpy.context).message


def test_settings_are_kept_in_the_file(settings, tmp_path):
    settings.engine_choice = "other"
    settings.people.add().reference = "//ann.png"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    kept = bpy.context.scene.understudy
    assert (kept.engine, kept.width, kept.people[0].reference) == ("other", 512, "//ann.png")
