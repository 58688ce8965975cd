"""The console command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from understudy.core.engines.catalog import CATALOG, EngineSpec


@pytest.fixture
def inputs(tmp_path, clip_factory, reference) -> Path:
    clip_factory(3).save(tmp_path / "clip.npz")
    (tmp_path / "ref.png").write_bytes(reference)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("understudy")), *arguments]


@pytest.fixture
def run(inputs):
    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(command(*arguments), cwd=inputs, capture_output=True, text=True, timeout=60)

    return run


GENERATE = ("generate", "clip.npz", "--reference", "ref.png", "--size", "64x64", "--steps", "2")


def frames(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_engines_are_listed_for_people_and_for_programs(run):
    table = run("engines").stdout
    assert all(name in table for name in CATALOG)
    assert [EngineSpec.from_json(entry) for entry in json.loads(run("engines", "--json").stdout)] == list(CATALOG.values())


def test_generate_draws_numbered_frames_the_same_each_time(run, inputs):
    for out in ("a", "b"):
        result = run(*GENERATE, "--seed", "1", "--out", out)
        assert result.returncode == 0, result.stderr
    first, again = (frames(inputs / out) for out in ("a", "b"))
    assert list(first) == ["0001.png", "0002.png", "0003.png"]
    assert first == again
    assert "frames: 100%" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--size", "65x64"), "not a multiple of 32. Set it to 64."),
        (("--size", "big"), "not WIDTHxHEIGHT"),
        (("--steps", "0"), "steps 0 is not between"),
        (("--engine", "dalle"), "no engine called 'dalle'"),
        (("--reference", "ref.png"), "1 people, and there are 2 references"),
        (("--out", "clip.npz"), "cannot be made"),
    ],
)
def test_bad_input_is_told_in_one_line(run, arguments, reason):
    result = run(*GENERATE, "--out", "out", *arguments)
    assert result.returncode == 1
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_bad_files_are_told_in_one_line(run, inputs):
    (inputs / "text").write_text("hello")
    for clip, reference in [("text", "ref.png"), ("none", "ref.png"), ("clip.npz", "text"), ("clip.npz", "none")]:
        result = run("generate", clip, "--reference", reference, "--out", "out")
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert not (inputs / "out").exists()


def test_ctrl_c_cancels_and_leaves_no_worker(inputs):
    """As in a terminal: the signal reaches the whole group."""
    process = subprocess.Popen(
        command(*GENERATE, "--steps", "1000", "--out", "out"), cwd=inputs, stderr=subprocess.PIPE, start_new_session=True
    )
    with process:
        deadline = time.monotonic() + 30
        while b"1/1000" not in (seen := os.read(process.stderr.fileno(), 4096)):
            assert seen and time.monotonic() < deadline
        (child,) = psutil.Process(process.pid).children()
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read().decode()
    assert process.returncode == 1
    assert "cancelled" in rest.splitlines()[-1]
    assert "Traceback" not in rest
    assert not child.is_running()


def test_a_killed_worker_is_told(inputs):
    process = subprocess.Popen(command(*GENERATE, "--steps", "1000", "--out", "out"), cwd=inputs, stderr=subprocess.PIPE)
    with process:
        while b"1/1000" not in os.read(process.stderr.fileno(), 4096):
            pass
        psutil.Process(process.pid).children()[0].kill()
        rest = process.stderr.read().decode()
    assert process.returncode == 1
    assert "signal 9" in rest.splitlines()[-1]
