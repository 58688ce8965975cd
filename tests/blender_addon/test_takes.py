import json
from pathlib import Path

import bpy
import pytest
from understudy.blender_addon.record import TakeRecord
from understudy.blender_addon.sequencer import CHANNELS, strips_of
from understudy.blender_addon.takes import import_take
from understudy.core.errors import JobFailed
from understudy.core.protocol import GenerationSettings, JobRequest


@pytest.fixture
def take(tmp_path) -> TakeRecord:
    """Of four frames, from scene frame 10 on."""
    return TakeRecord("abc123", JobRequest(GenerationSettings(seed=3), "Wave"), tmp_path, 10, "digest", ("Ann",))


@pytest.fixture
def frames(scene, tmp_path) -> list[Path]:
    picture = bpy.data.images.new("frame", 48, 64)
    frames = [tmp_path / f"{number:04}.png" for number in range(1, 5)]
    for frame in frames:
        picture.save(filepath=str(frame))
    return frames


def occupy(scene: bpy.types.Scene, channel: int, start: int, end: int) -> None:
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips_of(editor).new_effect("In the way", "COLOR", channel, frame_start=start, frame_end=end)


def test_a_take_is_one_strip_at_its_first_frame_named_after_it(scene, take, frames):
    strip = import_take(scene, take, frames)
    assert list(strips_of(scene.sequence_editor)) == [strip]
    assert (strip.type, strip.name, strip.channel) == ("IMAGE", "Wave", 1)
    assert (strip.frame_final_start, strip.frame_final_end) == (10, 14)
    assert [element.filename for element in strip.elements] == ["0001.png", "0002.png", "0003.png", "0004.png"]
    assert bpy.path.abspath(strip.directory).rstrip("/\\") == str(frames[0].parent)


def test_the_strip_tells_what_made_it(scene, take, frames):
    strip = import_take(scene, take, frames)
    assert (strip["understudy_job"], strip["understudy_clip"]) == ("abc123", "digest")
    assert JobRequest.from_json(json.loads(strip["understudy_request"])) == take.request


def test_the_lowest_channel_that_is_free_over_the_whole_range_is_taken(scene, take, frames):
    occupy(scene, channel=1, start=13, end=20)  # overlaps the last frame only
    occupy(scene, channel=2, start=1, end=10)  # ends just before
    assert import_take(scene, take, frames).channel == 2
    assert import_take(scene, take, frames).channel == 3


def test_without_a_free_channel_there_is_an_error_and_no_strip(scene, take, frames):
    for channel in range(1, CHANNELS + 1):
        occupy(scene, channel, start=1, end=100)
    with pytest.raises(JobFailed, match="No channel"):
        import_take(scene, take, frames)
    assert len(strips_of(scene.sequence_editor)) == CHANNELS


def test_only_the_new_strip_is_selected_and_active(scene, take, frames):
    first = import_take(scene, take, frames)
    second = import_take(scene, take, frames)
    assert (first.select, second.select) == (False, True)
    assert scene.sequence_editor.active_strip == second


def test_beside_a_saved_file_the_path_is_relative(scene, take, frames, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert import_take(bpy.context.scene, take, frames).directory.startswith("//")
