"""The demo: its options, what it removes, and a short one in a real Blender from the zip to the film."""

from pathlib import Path

import bpy
import pytest
from understudy.core.pose.clip import PoseClip

from tooling import demo

OPTIONS = demo.DemoOptions(out=Path("out"), blender=None, frames=12, size=(192, 256), steps=None, seed=3)


def test_only_what_an_earlier_demo_left_is_removed(tmp_path):
    (tmp_path / demo.WORK).mkdir()
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0001.png").write_bytes(b"")
    (tmp_path / "take.mp4").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    demo.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_folder_where_no_demo_ran_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    demo.clear(tmp_path)
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0001.png").write_bytes(b"mine")
    with pytest.raises(demo.DemoError, match="frames is there already"):
        demo.clear(tmp_path)
    assert (tmp_path / "frames" / "0001.png").read_bytes() == b"mine"


def test_an_installed_blender_runs_in_the_background_and_fails_with_its_script():
    options = demo.DemoOptions(**{**vars(OPTIONS), "blender": Path("/opt/blender/blender")})
    command = demo.blender_command(options, Path("understudy.zip"))
    assert command[0] == str(Path("/opt/blender/blender"))
    assert command[1:4] == ["--background", "--python-exit-code", "1"]
    assert "--steps" not in command


def test_a_size_is_two_numbers():
    assert demo.parse_size("192x256") == (192, 256)
    with pytest.raises(ValueError, match="invalid literal"):
        demo.parse_size("large")


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A demo of three frames in one step, in a Blender of its own."""
    out = tmp_path_factory.mktemp("demo")
    demo.run(demo.DemoOptions(out=out, blender=None, frames=3, size=(96, 128), steps=1, seed=3))
    return out


def test_the_demo_leaves_what_it_promises(taken):
    assert sorted(path.name for path in (taken / "frames").iterdir()) == ["0001.png", "0002.png", "0003.png"]
    for name in ("take.blend", "take.mp4", "reference.png", "contact-sheet.png"):
        assert (taken / name).stat().st_size > 0
    assert not (taken / "take.blend1").exists()
    assert len(PoseClip.load(taken / "clip.npz")) == 3


def test_the_strip_finds_its_frames_beside_the_file(taken):
    bpy.ops.wm.open_mainfile(filepath=str(taken / "take.blend"))
    (strip,) = bpy.context.scene.sequence_editor.strips
    assert (strip.name, strip.frame_final_start, strip.frame_final_end) == ("Demo take", 1, 4)
    files = [Path(bpy.path.abspath(strip.directory)) / element.filename for element in strip.elements]
    assert files == sorted((taken / "frames").iterdir())


def test_the_extension_ran_from_its_zip_and_its_server_has_ended(taken):
    installed = taken / demo.WORK / "profile" / "extensions" / "user_default" / "understudy"
    assert (installed / "blender_manifest.toml").is_file()
    assert not list((taken / demo.WORK / "profile").rglob("server.json"))
