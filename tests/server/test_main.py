"""The console command."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from understudy.core.engines.catalog import CATALOG
from understudy.core.errors import InvalidRequest
from understudy.server.generate import prepare_folder


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


def test_engines_are_listed_for_people_and_for_programs(run, tmp_path):
    table = run("engines").stdout
    assert all(name in table for name in CATALOG)
    listed = json.loads(run("engines", "--json", "--weights", str(tmp_path)).stdout)
    assert listed == [spec.to_json() | {"lacking": spec.lacking(tmp_path)} for spec in CATALOG.values()]


def test_opencv_is_read_by_the_commands_that_draw_alone():
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    for arguments, needs in ((("engines",), False), (("control", "--help"), True)):
        result = subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, timeout=60, check=True)
        assert (re.search(r"\| +cv2$", result.stderr, re.MULTILINE) is not None) == needs


def test_generate_draws_numbered_frames_the_same_each_time_over_those_of_a_longer_run(run, inputs):
    result = run(*GENERATE, "--seed", "1", "--out", "out")
    assert result.returncode == 0, result.stderr
    assert "3 of 3 frames" in result.stderr
    assert "worker" not in result.stderr
    first = frames(inputs / "out")
    assert list(first) == ["0001.png", "0002.png", "0003.png"]

    for name in ("0001.png", "0099.png", "still.png", "0001.txt"):
        (inputs / "out" / name).write_bytes(b"mine")
    refused = run(*GENERATE, "--out", "out")
    assert refused.returncode == 1
    assert "holds 4 frames already" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1

    result = run(*GENERATE, "--seed", "1", "--out", "out", "--overwrite")
    assert result.returncode == 0, result.stderr
    assert frames(inputs / "out") == first | {"still.png": b"mine", "0001.txt": b"mine"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--size", "8192x8192"), "more than engine understudy can draw"),
        (("--size", "big"), "not WIDTHxHEIGHT"),
        (("--steps", "0"), "steps 0 is not between"),
        (("--engine", "dalle"), "no engine called 'dalle'"),
        (("--reference", "ref.png"), "1 people, and there are 2 references"),
        (("--out", "clip.npz"), "cannot be written to: File exists"),
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


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_drawn(tmp_path, monkeypatch):
    """As root, whom these tests may run as, every folder can be written to: the system is made to refuse."""

    def refuse(**_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(InvalidRequest, match="cannot be written to: Permission denied"):
        prepare_folder(tmp_path, 1, overwrite=False)


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


def test_what_an_engine_printed_is_shown_when_it_fails(run, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_DEVICE", "nonesuch")
    result = run(*GENERATE, "--out", "out")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "nonesuch" in result.stderr.splitlines()[-1]
