"""Takes over plates, as Blender's own sequencer renders them."""

import json
import wave
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest
from understudy.blender_addon.plan import find_engine_limit, find_missing_plate, has_shape_of_scene, plan_take
from understudy.blender_addon.plates import add_plate, plates_of
from understudy.blender_addon.record import TakeRecord
from understudy.blender_addon.sequencer import strips_of
from understudy.blender_addon.takes import import_take
from understudy.core.engines.compositing import to_bytes
from understudy.core.errors import InvalidRequest, NoPlate
from understudy.core.protocol import GenerationSettings, JobRequest

GREEN, GREY = (0.0, 1.0, 0.0), (0.5, 0.5, 0.5)


@pytest.fixture
def save(scene, tmp_path) -> Callable[..., Path]:
    """Saves a picture uint8 [H, W, 3 or 4] under a name, as the server does."""

    def save(name: str, pixels: np.ndarray) -> Path:
        path = tmp_path / name
        opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
        pixels = np.dstack([pixels, opaque]) if pixels.shape[2] == 3 else pixels
        picture = bpy.data.images.new(name, pixels.shape[1], pixels.shape[0], alpha=True)
        picture.alpha_mode = "STRAIGHT"
        picture.pixels.foreach_set((pixels[::-1] / np.float32(255)).astype(np.float32).ravel())
        picture.filepath_raw, picture.file_format = str(path), "PNG"
        picture.save()
        bpy.data.images.remove(picture)
        return path

    return save


@pytest.fixture
def flat(save) -> Callable[..., Path]:
    """Saves a picture of one colour."""
    return lambda name, colour, width=48, height=32: save(name, np.full((height, width, 3), np.multiply(colour, 255), np.uint8))


@pytest.fixture
def figure(save) -> list[Path]:
    """Two frames of a grey disc with a soft edge, of a take that can be seen through."""
    y, x = np.mgrid[:32, :48]
    matte = np.clip(10.5 - np.hypot(y - 16, x - 24), 0, 1)[..., None].astype(np.float32)
    return [save(f"000{number}.png", to_bytes(np.dstack([np.float32(GREY) * matte, matte]))) for number in (1, 2)]


def take(
    plate: str, tmp_path: Path, background: str = "transparent", name: str = "Wave", people: tuple[str, ...] = ("Ann",)
) -> TakeRecord:
    request = JobRequest(GenerationSettings(background=background), name, plate)
    return TakeRecord("abc", request, tmp_path, 1, "digest", people)


def rendered(scene: bpy.types.Scene, path: Path, scale: float = 1) -> np.ndarray:
    """The sequencer's picture of the current frame, f32 [H, W, 3], rows top down."""
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = int(48 * scale), int(32 * scale), 100
    render.filepath, render.image_settings.file_format = str(path), "PNG"
    scene.view_settings.view_transform = "Standard"
    for strip in strips_of(scene.sequence_editor):  # as though it had been added in this size
        if hasattr(strip, "transform"):
            strip.transform.scale_x = strip.transform.scale_y = scale
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(str(path))
    pixels = np.array(picture.pixels).reshape(picture.size[1], picture.size[0], 4)[::-1, :, :3]
    bpy.data.images.remove(picture)
    return pixels


def test_the_sequencer_shows_the_plate_around_the_person_and_the_person_over_it(scene, figure, flat, tmp_path):
    plate = add_plate(scene, [flat("wall.png", GREEN)], range(1, 3))
    import_take(scene, take(plate.name, tmp_path), figure)
    scene.frame_set(2)
    picture = rendered(scene, tmp_path / "out.png")
    assert np.allclose(picture[2, 2], GREEN, atol=0.01) and np.allclose(picture[16, 24], GREY, atol=0.01)


@pytest.mark.parametrize("scale", [1, 2.5, 0.5])
@pytest.mark.parametrize("ground", [0.0, 1.0])
def test_a_person_has_no_fringe_over_black_or_white_whatever_size_it_is_shown_at(scene, figure, flat, tmp_path, ground, scale):
    plate = add_plate(scene, [flat("wall.png", (ground,) * 3)], range(1, 3))
    import_take(scene, take(plate.name, tmp_path), figure)
    picture = rendered(scene, tmp_path / "out.png", scale)
    low, high = min(ground, 0.5), max(ground, 0.5)
    assert picture.min() > low - 0.01 and picture.max() < high + 0.015  # nothing but mixtures of the two
    assert np.allclose(picture[0, 0], ground, atol=0.01)
    plate.mute = True
    over_grey = strips_of(scene.sequence_editor).new_image("grey", str(flat("grey.png", GREY)), 1, 1, fit_method="FIT")
    assert over_grey.channel == 1
    assert np.allclose(rendered(scene, tmp_path / "grey-out.png", scale), 0.5, atol=0.015)  # no rim of any other colour


def test_a_take_lies_above_its_plate_and_tells_of_it(scene, figure, flat, tmp_path):
    plate = add_plate(scene, [flat("wall.png", GREEN)], range(1, 3))
    plate.channel = 4
    strip = import_take(scene, take(plate.name, tmp_path), figure)
    assert (strip.channel, strip.blend_type) == (5, "ALPHA_OVER")
    assert json.loads(strip["understudy_request"])["plate"] == "wall"


def test_a_take_whose_plate_is_gone_lies_on_the_lowest_free_channel(scene, figure, tmp_path):
    assert import_take(scene, take("gone", tmp_path), figure).channel == 1


def test_another_take_of_the_same_name_mutes_the_one_that_would_be_seen_beside_it(scene, figure, flat, tmp_path):
    plate = add_plate(scene, [flat("wall.png", GREEN)], range(1, 3))
    first = import_take(scene, take(plate.name, tmp_path), figure)
    other = import_take(scene, take(plate.name, tmp_path, name="Her friend"), figure)
    second = import_take(scene, take(plate.name, tmp_path), figure)
    assert [strip.mute for strip in (plate, first, other, second)] == [False, True, False, False]
    assert second.channel > other.channel > first.channel


def test_a_take_of_somebody_else_leaves_the_first_person_to_be_seen(scene, figure, flat, tmp_path):
    plate = add_plate(scene, [flat("wall.png", GREEN)], range(1, 3))
    ann = import_take(scene, take(plate.name, tmp_path), figure)
    ben = import_take(scene, take(plate.name, tmp_path, people=("Ben",)), figure)
    both = import_take(scene, take(plate.name, tmp_path, people=("Ann", "Ben")), figure)
    again = import_take(scene, take(plate.name, tmp_path, people=("Ben", "Ann")), figure)
    assert [strip.mute for strip in (ann, ben, both, again)] == [False, False, True, False]


def test_a_shorter_take_leaves_the_one_beside_it_whole(scene, figure, flat, tmp_path):
    plate = add_plate(scene, [flat("wall.png", GREEN)], range(1, 3))
    first = import_take(scene, take(plate.name, tmp_path), figure)
    import_take(scene, take(plate.name, tmp_path), figure[:1])
    assert not first.mute


def test_a_see_through_take_leaves_opaque_ones_as_they_are(scene, figure, tmp_path):
    first = import_take(scene, take("", tmp_path, background="#808080"), figure)
    import_take(scene, take("", tmp_path), figure)
    assert not first.mute


def test_opaque_takes_of_the_same_name_are_left_as_they_are(scene, figure, tmp_path):
    first = import_take(scene, take("", tmp_path, background="#808080"), figure)
    import_take(scene, take("", tmp_path, background="#808080"), figure)
    assert not first.mute


def test_one_picture_lasts_for_the_take_and_a_sequence_is_a_picture_a_frame(scene, flat):
    still = add_plate(scene, [flat("wall.png", GREEN)], range(5, 30))
    assert (still.frame_final_start, still.frame_final_end, still.channel) == (5, 30, 1)
    files = [flat(f"plate.{number}.png", GREY) for number in (103, 101, 102)]
    sequence = add_plate(scene, files, range(5, 30))
    assert [element.filename for element in sequence.elements] == ["plate.101.png", "plate.102.png", "plate.103.png"]
    assert (sequence.frame_final_start, sequence.frame_final_end, sequence.channel) == (5, 8, 2)


def test_a_film_is_as_long_as_it_is(scene, flat, tmp_path):
    add_plate(scene, [flat("wall.png", GREEN)], range(1, 5))
    scene.frame_start, scene.frame_end = 1, 4
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 48, 32, 100
    scene.render.image_settings.file_format = "FFMPEG"
    scene.render.ffmpeg.format, scene.render.ffmpeg.codec = "MPEG4", "H264"
    scene.render.filepath = str(tmp_path / "film.mp4")
    bpy.ops.render.render(animation=True)
    film = add_plate(scene, [tmp_path / "film.mp4"], range(10, 12))
    assert (film.type, film.frame_final_start, film.frame_final_end, film.channel) == ("MOVIE", 10, 14, 1)


def test_any_strip_that_shows_something_can_be_a_plate(scene, figure, tmp_path):
    strips = strips_of(scene.sequence_editor or scene.sequence_editor_create())
    other = bpy.data.scenes.new("Street")
    strips.new_scene("Street", other, 2, 1)
    strips.new_meta("Nested", 3, 1)
    assert sorted(plates_of(scene)) == ["Nested", "Street"]
    assert import_take(scene, take("Street", tmp_path), figure).channel > 2


@pytest.mark.skipif(not bpy.app.build_options.audaspace, reason="this build of Blender has no sound")
def test_sound_is_no_plate(scene, tmp_path):
    with wave.open(str(tmp_path / "steps.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 8000, "NONE", ""))
        sound.writeframes(bytes(16000))
    strips_of(scene.sequence_editor_create()).new_sound("Steps", str(tmp_path / "steps.wav"), 1, 1)
    assert plates_of(scene) == []


def test_what_is_no_plate_is_refused_and_leaves_no_strip(scene, flat, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "film.mp4").write_text("no film")
    wall = flat("wall.png", GREEN)
    notes, missing, film = (tmp_path / name for name in ("notes.txt", "missing.png", "film.mp4"))
    for files in ([notes], [missing], [wall, film], [film], []):
        with pytest.raises(InvalidRequest):
            add_plate(scene, files, range(1, 3))
    assert plates_of(scene) == []


def test_adding_a_plate_chooses_it(scene, flat):
    wall = flat("wall.png", GREEN)
    scene.understudy.use_scene_range, scene.understudy.frame_start, scene.understudy.frame_end = False, 3, 9
    bpy.ops.understudy.add_plate(filepath=str(wall))
    assert (scene.understudy.background, scene.understudy.plate) == ("plate", "wall")
    assert strips_of(scene.sequence_editor)["wall"].frame_final_end == 10
    with pytest.raises(RuntimeError, match="cannot be a plate"):
        bpy.ops.understudy.add_plate(filepath=str(wall.with_name("none.png")))


def test_a_take_without_the_plate_it_asks_for_is_refused(scene, character, flat):
    settings = scene.understudy
    settings.background = "plate"
    error = find_missing_plate(bpy.context)
    assert isinstance(error, NoPlate) and "No plate is chosen" in error.message
    settings.plate = "wall"
    with pytest.raises(InvalidRequest, match="no strip 'wall'"):
        plan_take(bpy.context)
    add_plate(scene, [flat("wall.png", GREEN)], range(1, 3))
    request = plan_take(bpy.context).generation.request
    assert (request.plate, request.settings.background) == ("wall", "transparent")
    settings.background = "reference"
    assert plan_take(bpy.context).generation.request.plate == ""


def test_a_take_is_drawn_with_an_alpha_channel_and_laid_over_its_plate(scene, character, flat, tmp_path):
    plate = add_plate(scene, [flat("wall.png", GREEN)], range(5, 8))
    scene.understudy.background, scene.understudy.plate = "plate", plate.name
    bpy.ops.understudy.generate(wait=True)
    strip = scene.sequence_editor.active_strip
    assert strip.channel == plate.channel + 1
    folder = Path(bpy.path.abspath(strip.directory))
    assert json.loads((folder / "request.json").read_text())["plate"] == "wall"
    picture = bpy.data.images.load(str(folder / strip.elements[0].filename))
    assert picture.pixels[3] == 0  # its corner


def test_an_engine_that_draws_the_background_too_refuses_any_other(scene, character, monkeypatch):
    from understudy.blender_addon.messages import EngineInfo
    from understudy.blender_addon.server_control import server
    from understudy.core.engines.catalog import CATALOG

    published = EngineInfo.from_json(CATALOG["magic-animate"].to_json() | {"lacking": []})
    monkeypatch.setattr(server, "engines", (published,))
    scene.understudy.engine_choice = "magic-animate"
    assert find_engine_limit(bpy.context) is None
    scene.understudy.background = "transparent"
    assert "draws people and background together" in find_engine_limit(bpy.context).message


def test_the_take_is_given_the_size_of_the_scenes_picture(scene, character):
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 1920, 1080, 50
    assert not has_shape_of_scene(bpy.context)
    bpy.ops.understudy.use_scene_size()
    assert (scene.understudy.width, scene.understudy.height) == (960, 540)
    assert has_shape_of_scene(bpy.context)
