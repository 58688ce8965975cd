"""Running out of memory, with a real worker whose child may take only so much."""

from __future__ import annotations

import dataclasses
import os
import sys

import psutil
import pytest
from understudy.core.errors import NotEnoughMemory, OutOfMemory
from understudy.core.protocol import GenerationSettings
from understudy.server.messages import Frame, Generate, Step
from understudy.server.second_try import SteppedDown, generate
from understudy.server.worker import Worker

SETTINGS = GenerationSettings(width=64, height=64, steps=2)


@pytest.fixture
def request_for(tmp_path, clip_factory, reference):
    def make(frames: int, **settings) -> Generate:
        clip_factory(frames).save(tmp_path / "clip.npz")
        (tmp_path / "reference").write_bytes(reference)
        asked = dataclasses.replace(SETTINGS, **settings).to_json()
        return Generate("job", str(tmp_path / "clip.npz"), [str(tmp_path / "reference")], asked, str(tmp_path), None)

    return make


class Exhausted(Worker):
    """A worker that runs out of memory in its first `times` jobs, at the step or the frame given; real otherwise."""

    def __init__(self, times: int, at: type, error: type[OutOfMemory] = OutOfMemory):
        super().__init__()
        self.times, self.at, self.error = times, at, error
        self.asked: list[GenerationSettings] = []

    def generate(self, request, on_progress):
        self.asked.append(GenerationSettings.from_json(request.settings))

        failed = False

        def watch(progress):
            nonlocal failed
            if not failed:
                on_progress(progress)
            failed = failed or (len(self.asked) <= self.times and isinstance(progress, self.at))

        super().generate(request, watch)
        if failed:
            raise self.error("A window does not fit in memory.")


@pytest.fixture
def exhausted():
    made = []

    def make(*arguments) -> Exhausted:
        made.append(Exhausted(*arguments))
        return made[-1]

    yield make
    for worker in made:
        worker.stop()


def test_a_job_is_drawn_with_half_the_window_and_says_so(exhausted, request_for):
    worker, told = exhausted(1, Step), []
    generate(worker, request_for(10), 10, told.append)
    assert [asked.context_frames for asked in worker.asked] == [12, 5]
    (note,) = (progress for progress in told if isinstance(progress, SteppedDown))
    assert note.settings == worker.asked[1] and "a window of 5 frames" in note.text
    assert sum(isinstance(progress, Frame) for progress in told) == 10


def test_frames_of_a_smaller_size_come_in_the_size_asked_for(exhausted, request_for):
    worker, told = exhausted(1, Step), []
    generate(worker, request_for(2, width=128, height=160), 2, told.append)
    assert [(asked.width, asked.height) for asked in worker.asked] == [(128, 160), (96, 120)]
    frames = [progress for progress in told if isinstance(progress, Frame)]
    assert [(frame.width, frame.height, len(frame.pixels)) for frame in frames] == [(128, 160, 128 * 160 * 3)] * 2
    assert any(isinstance(progress, SteppedDown) and "at 96 x 120" in progress.text for progress in told)


def test_a_job_steps_down_only_once(exhausted, request_for):
    worker = exhausted(2, Step)
    with pytest.raises(OutOfMemory):
        generate(worker, request_for(10), 10, lambda progress: None)
    assert len(worker.asked) == 2


@pytest.mark.parametrize(("at", "error"), [(Step, NotEnoughMemory), (Frame, OutOfMemory)])
def test_what_was_known_before_or_frames_that_were_drawn_are_no_reason_for_another_try(exhausted, request_for, at, error):
    worker = exhausted(1, at, error)
    with pytest.raises(error):
        generate(worker, request_for(10), 10, lambda progress: None)
    assert len(worker.asked) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory as Linux can")
def test_a_child_whose_memory_is_used_up_is_replaced_and_the_job_drawn_smaller(request_for, monkeypatch):
    """The real thing: the child may take 300 MB more than it has when it is ready."""
    monkeypatch.setitem(os.environ, "MALLOC_ARENA_MAX", "1")
    worker, told = Worker(), []
    worker.start()
    child = psutil.Process(worker.pid)
    limit = child.memory_info().vms + 300 * 2**20
    child.rlimit(psutil.RLIMIT_AS, (limit, limit))
    try:
        generate(worker, request_for(16, width=512, height=512), 16, told.append)
    finally:
        worker.stop()
    assert any(isinstance(progress, SteppedDown) for progress in told)
    assert sum(isinstance(progress, Frame) for progress in told) == 16
