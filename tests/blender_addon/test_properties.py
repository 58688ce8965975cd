import dataclasses
from types import SimpleNamespace

import bpy
import pytest
from understudy.blender_addon.messages import EngineInfo
from understudy.blender_addon.operators import CopyMissingWeights
from understudy.blender_addon.plan import find_engine_limit, find_missing_reference
from understudy.blender_addon.properties import DRAWING, PUBLISHED, RUNNING, _list_engines
from understudy.blender_addon.server_control import server
from understudy.core.engines import catalog
from understudy.core.errors import InvalidWeights
from understudy.core.protocol import SETTING_CHOICES, GenerationSettings, MemoryNeeds


def engine(name: str, lacking: tuple[str, ...] = (), **settings) -> EngineInfo:
    exact = GenerationSettings(engine=name, **settings)
    presets = {"exact": exact, "fast": dataclasses.replace(exact, steps=12, scheduler="dpm++", context_layout="loop")}
    presets["draft"] = dataclasses.replace(exact, steps=4, guidance=1.0, width=exact.width // 2)
    presets = {preset: dataclasses.replace(settings, preset=preset) for preset, settings in presets.items()}
    return EngineInfo(
        name=name, title=name.title(), licence="GPL-3.0-or-later", memory=MemoryNeeds(10**9, 100, 100), max_pixels=768 * 768,
        reads_prompt=True, max_people=2, presets=presets, lacking=lacking,
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


def test_a_preset_brings_its_steps_and_what_stands_under_advanced(settings):
    settings.engine_choice = "other"
    settings.width, settings.seed, settings.preset = 500, 7, "fast"
    made = settings.generation_settings()
    assert (made.preset, made.steps, made.scheduler, made.context_layout) == ("fast", 12, "dpm++", "loop")
    assert (made.width, made.seed, made.engine) == (500, 7, "other")
    settings.steps, settings.scheduler, settings.context_frames = 9, "tcd", 20
    made = settings.generation_settings()
    assert (made.steps, made.scheduler, made.context_frames) == (9, "tcd", 20)
    settings.preset = "exact"
    assert settings.generation_settings().scheduler == ""


def test_how_the_networks_are_run_stays_with_the_engine_whatever_the_preset(settings):
    settings.engine_choice = "other"
    settings.offload, settings.precision, settings.preset = True, "float8", "draft"
    made = settings.generation_settings()
    assert made.offload and made.precision == "float8"
    settings.engine_choice = "understudy"
    assert not settings.generation_settings().offload


def test_a_scene_begins_with_the_bundled_engines_settings(scene):
    assert scene.understudy.generation_settings() == catalog.find("understudy").defaults


@pytest.mark.parametrize("name", catalog.CATALOG)
@pytest.mark.parametrize("preset", SETTING_CHOICES["preset"])
def test_every_engine_with_every_preset_is_asked_for_with_just_its_settings(scene, monkeypatch, name, preset):
    """Those of the catalog, though Blender keeps floats in fewer bits."""
    known = tuple(EngineInfo.from_json(spec.to_json() | {"lacking": []}) for spec in catalog.CATALOG.values())
    monkeypatch.setattr(server, "engines", known)
    settings = scene.understudy
    settings.engine_choice, settings.preset = name, preset
    assert settings.generation_settings() == catalog.find(name).settings(preset)


def test_every_choice_of_a_setting_is_in_its_menu(settings):
    menus = {name: SETTING_CHOICES[name] for name in (*DRAWING, *RUNNING) if name in SETTING_CHOICES}
    menus["scheduler"] = ("", *catalog.find("champ").schedulers)
    for name, choices in menus.items():
        for choice in choices:
            setattr(settings, name, choice or PUBLISHED)
            assert getattr(settings.generation_settings(), name) == choice
        assert len(settings.bl_rna.properties[name].enum_items) == len(choices)


def test_an_overlap_is_shorter_than_its_window_and_is_there_again_when_that_is_longer(settings):
    settings.context_frames, settings.context_overlap = 12, 5
    settings.context_frames = 3
    assert settings.generation_settings().context_overlap == 2
    settings.context_frames = 24
    assert settings.generation_settings().context_overlap == 5


def test_another_engine_begins_with_the_same_preset(settings):
    settings.preset = "draft"
    settings.engine_choice = "other"
    assert (settings.steps, settings.guidance) == (4, 1.0)


def test_a_preset_brings_its_size_unless_the_user_chose_one(settings):
    settings.engine_choice = "other"
    settings.preset = "draft"
    assert settings.width == 256
    settings.preset = "exact"
    assert settings.width == 512
    settings.width = 300
    settings.preset = "draft"
    assert settings.width == 300


def test_an_engine_without_its_weights_is_marked_and_refused_with_what_is_missing(settings, monkeypatch):
    monkeypatch.setattr(server, "engines", (engine("understudy", lacking=("unet is missing.", "vae is missing.")),))
    error = find_engine_limit(bpy.context)
    assert isinstance(error, InvalidWeights)
    assert "lacks 2 files" in error.message
    assert bpy.ops.understudy.copy_missing_weights() == {"FINISHED"}
    without_window = SimpleNamespace(scene=settings.id_data, window_manager=SimpleNamespace(clipboard=""))
    CopyMissingWeights.execute(SimpleNamespace(report=lambda *_: None), without_window)  # Blender's own has no clipboard
    assert without_window.window_manager.clipboard == "unet is missing.\nvae is missing."
    (item,) = _list_engines(settings, bpy.context)
    assert item[1] == "Understudy: no weights"
    assert not bpy.ops.understudy.generate.poll()
    monkeypatch.setattr(server, "engines", (engine("understudy"),))
    assert not bpy.ops.understudy.copy_missing_weights.poll()


def test_more_people_or_pixels_than_the_engine_draws_are_refused_before_anything_is_sampled(settings):
    assert find_engine_limit(bpy.context) is None
    for _ in range(3):
        settings.people.add()
    assert "at most 2 people" in find_engine_limit(bpy.context).message
    settings.people.clear()
    settings.width = settings.height = 4096
    assert "4096 x 4096 is more" in find_engine_limit(bpy.context).message


def test_what_an_engine_has_no_choice_of_is_refused_and_can_be_set_back(settings, monkeypatch):
    own = dataclasses.replace(engine("understudy"), fixed=("offload", "context_fusion"))
    monkeypatch.setattr(server, "engines", (own,))
    wrong = {"offload": True, "context_fusion": "flat", "scheduler": "ddim"}
    for name, value in wrong.items():
        right = getattr(settings, name)
        setattr(settings, name, value)
        label = settings.bl_rna.properties[name].name
        assert f"Set {label} back" in find_engine_limit(bpy.context).remedy
        assert not own.can_choose(name) and own.refuses(name, settings.told(name))  # so that its row is not greyed out
        setattr(settings, name, right)
        assert not own.refuses(name, settings.told(name))
        assert find_engine_limit(bpy.context) is None


def test_offload_and_compile_are_refused_together(settings):
    settings.offload = True
    assert find_engine_limit(bpy.context) is None
    settings.compile = True
    assert "Offload or Compile" in find_engine_limit(bpy.context).remedy


def test_an_engine_or_preset_whose_settings_no_server_told_is_refused_until_it_is_chosen_again(settings, monkeypatch):
    told = server.engines
    for name, value in (("preset", "draft"), ("engine", "other")):
        monkeypatch.setattr(server, "engines", ())
        assert find_engine_limit(bpy.context) is None
        setattr(settings, name, value)
        assert "no server has told" in find_engine_limit(bpy.context).message
        monkeypatch.setattr(server, "engines", told)
        assert "no server has told" in find_engine_limit(bpy.context).message
        if name == "preset":
            settings.preset = value
        else:
            settings.engine_choice = value
        assert find_engine_limit(bpy.context) is None
    assert (settings.steps, settings.width, settings.guidance) == (4, 256, 1.0)


def test_a_reference_that_is_not_there_is_told_before_anything_is_sampled(scene, character):
    assert find_missing_reference(bpy.context) is None
    scene.understudy.people[0].reference = "//gone.png"
    assert "gone.png" in find_missing_reference(bpy.context).message


def test_settings_are_kept_in_the_file(settings, tmp_path):
    settings.engine_choice = "other"
    settings.people.add().reference = "//ann.png"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    kept = bpy.context.scene.understudy
    assert (kept.engine, kept.width, kept.people[0].reference) == ("other", 512, "//ann.png")


def test_the_background_is_what_the_engine_is_asked_for(settings):
    assert settings.generation_settings().background == "reference"
    settings.background = "transparent"
    assert settings.generation_settings().background == "transparent"
    settings.background, settings.background_colour = "colour", (0, 0.5, 1)
    assert settings.generation_settings().background == "#0080ff"
