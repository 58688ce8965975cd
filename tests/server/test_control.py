"""The console command `understudy control`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from understudy.core.control.guide import PICTURES, draw
from understudy.core.pose.clip import PoseClip


@pytest.fixture
def folder(tmp_path, clip_factory) -> Path:
    clip_factory(3).save(tmp_path / "clip.npz")
    return tmp_path


@pytest.fixture
def run(folder):
    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [str(Path(sys.executable).with_name("understudy")), "control", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)

    return run


def test_help_lists_every_style_and_what_reads_it(run):
    text = run("--help").stdout
    assert all(f"{name} " in text and picture.title in text for name, picture in PICTURES.items())
    assert all(f"{name} " in text for name in ("openpose-json", "comfyui-json", "coco-wholebody"))


def test_a_folder_holds_the_pictures_of_the_style(run, folder):
    result = run("clip.npz", "--style", "wan-animate", "--size", "64x96", "--out", "out")
    assert result.returncode == 0, result.stderr
    assert "3/3" in result.stderr
    expected = draw(PoseClip.load(folder / "clip.npz"), "wan-animate", 64, 96)
    for number, picture in enumerate(expected, 1):
        np.testing.assert_array_equal(np.asarray(Image.open(folder / "out" / f"{number:04}.png")), picture)
    assert len(list((folder / "out").iterdir())) == 3


def test_a_second_run_replaces_the_first_only_when_asked(run, folder):
    for number in range(1, 6):
        (folder / f"{number:04}.png").write_bytes(b"old")
    refused = run("clip.npz", "--style", "dwpose", "--out", ".")
    assert refused.returncode == 1 and "holds 5 frames already" in refused.stderr
    assert run("clip.npz", "--style", "dwpose", "--out", ".", "--overwrite").returncode == 0
    assert sorted(path.name for path in folder.glob("*.png")) == ["0001.png", "0002.png", "0003.png"]


def test_a_film_has_the_clips_frames_and_rate(run, folder):
    assert run("clip.npz", "--style", "densepose", "--size", "64x96", "--out", "out.mp4").returncode == 0
    film = cv2.VideoCapture(str(folder / "out.mp4"))
    frames = [film.read()[1] for _ in range(3)]
    assert [frame.shape for frame in frames] == [(96, 64, 3)] * 3 and not film.read()[0]
    assert film.get(cv2.CAP_PROP_FPS) == PoseClip.load(folder / "clip.npz").fps
    assert [path.name for path in folder.glob("out*")] == ["out.mp4"]


def test_keypoints_are_written_too(run, folder):
    assert run("clip.npz", "--style", "openpose-json", "--out", "json").returncode == 0
    (first, _second, _third) = sorted((folder / "json").iterdir())
    assert json.loads(first.read_text())["version"] == 1.3
    assert run("clip.npz", "--style", "comfyui-json", "--out", "list.json").returncode == 0
    assert json.loads((folder / "list.json").read_text())[0] == json.loads(first.read_text())
    assert run("clip.npz", "--style", "coco-wholebody", "--out", "coco.json").returncode == 0
    assert len(json.loads((folder / "coco.json").read_text())["images"]) == 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--style", "dwpose", "--size", "big"), "not WIDTHxHEIGHT"),
        (("--style", "dwpose", "--size", "0x8"), "not WIDTHxHEIGHT"),
        (("--style", "dwpose", "--size", "63x64", "--out", "film.mp4"), "sides must be even"),
        (("--style", "dwpose", "--out", "nowhere/film.mp4"), "cannot be written"),
        (("--style", "dwpose", "--out", "clip.npz"), "cannot be written"),
        (("--style", "openpose-json", "--size", "64x64"), "Leave out --size"),
        (("--style", "coco-wholebody", "--out", "coco"), "does not end in .json"),
    ],
)
def test_bad_input_is_told_in_one_line(run, arguments, reason):
    result = run("clip.npz", "--out", "out", *arguments)
    assert result.returncode == 1
    assert reason in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_film_is_not_replaced_unasked(run, folder):
    (folder / "film.mp4").write_bytes(b"mine")
    result = run("clip.npz", "--style", "dwpose", "--out", "film.mp4")
    assert result.returncode == 1 and "there already" in result.stderr
    assert (folder / "film.mp4").read_bytes() == b"mine"
