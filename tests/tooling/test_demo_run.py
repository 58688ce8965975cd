"""The demo's own part: options, what it removes, what it starts. The main job in Blender is `build.py demo` itself."""

from pathlib import Path

import pytest

from tooling import demo

OPTIONS = demo.DemoOptions(out=Path("out"), blender=None, frames=12, size=(192, 256), steps=None, seed=3)


def test_only_what_an_earlier_demo_left_is_removed(tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0001.png").write_bytes(b"")
    (tmp_path / "take.mp4").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    demo.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


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
