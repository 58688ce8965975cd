"""The worker from the server's side, with a real child, the real engine, and real deaths."""

from __future__ import annotations

import signal
import threading
import time
import uuid

import psutil
import pytest
from understudy.core.engines.placement import fastest
from understudy.core.errors import Cancelled, DiskFull, InvalidClip, JobFailed, WorkerDied
from understudy.core.protocol import GenerationSettings
from understudy.server import worker as worker_module
from understudy.server.messages import Frame, Generate, Ready, Step
from understudy.server.worker import Worker, WorkerState, environment


@pytest.fixture(scope="module")
def worker():
    """One for all tests: whatever they do to its child, it has to be of use to the next."""
    worker = Worker()
    yield worker
    worker.stop()


@pytest.fixture
def job(tmp_path, clip_factory, reference):
    """Requests of two frames, each a job of its own."""
    clip_factory(2).save(tmp_path / "clip.npz")
    (tmp_path / "reference").write_bytes(reference)

    def make(steps: int = 2, clip: str = "clip.npz") -> Generate:
        settings = GenerationSettings(width=64, height=64, steps=steps)
        references, weights = [str(tmp_path / "reference")], str(tmp_path / "weights")
        return Generate(uuid.uuid4().hex, str(tmp_path / clip), references, settings.to_json(), weights, None)

    return make


def draw(worker: Worker, request: Generate) -> list[int]:
    frames = []

    def keep(progress):
        if isinstance(progress, Frame):
            frames.append(progress.index)

    worker.generate(request, keep)
    return frames


def test_no_child_runs_before_the_first_job():
    worker = Worker()
    assert (worker.state, worker.device, worker.pid) == (WorkerState.STOPPED, None, None)


def test_one_child_draws_job_after_job(worker, job):
    told = []
    worker.generate(job(), told.append)
    assert told[0] == Ready("cpu", fastest("cpu"))
    assert [progress.index for progress in told if isinstance(progress, Frame)] == [0, 1]
    assert (worker.state, worker.device, worker.precision) == (WorkerState.IDLE, "cpu", fastest("cpu"))
    pid = worker.pid
    assert draw(worker, job()) == [0, 1]
    assert worker.pid == pid


def test_a_killed_child_fails_its_job_and_a_new_one_draws_the_next(worker, job):
    pids = []

    def kill(progress):
        if isinstance(progress, Step) and progress.step == 3:
            pids.append(worker.pid)
            psutil.Process(worker.pid).kill()

    with pytest.raises(WorkerDied, match="signal 9"):
        worker.generate(job(steps=900), kill)
    assert worker.state is WorkerState.STOPPED
    assert draw(worker, job()) == [0, 1]
    assert worker.pid != pids[0]


def test_a_child_that_died_between_jobs_is_replaced(worker, job):
    draw(worker, job())
    child = psutil.Process(worker.pid)
    child.kill()
    worker._process.wait()
    assert draw(worker, job()) == [0, 1]


def test_an_error_in_the_child_is_raised_here_and_the_child_lives(worker, job):
    draw(worker, job())
    pid = worker.pid
    with pytest.raises(InvalidClip, match="cannot be read"):
        draw(worker, job(clip="missing.npz"))
    assert draw(worker, job()) == [0, 1]
    assert worker.pid == pid


def test_cancel_takes_effect_within_a_step_and_the_child_lives(worker, job):
    steps, asked, request = [], [], job(steps=900)

    def cancel_at_3(progress):
        if isinstance(progress, Step):
            steps.append(progress.step)
            if progress.step == 3:
                asked.append(time.monotonic())
                worker.cancel(request.job)

    with pytest.raises(Cancelled):
        worker.generate(request, cancel_at_3)
    assert time.monotonic() - asked[0] < 2
    assert steps[-1] < 3 + 20  # the pipe may hold a few steps that were sent before the cancel was read
    pid = worker.pid
    assert draw(worker, job()) == [0, 1]
    assert worker.pid == pid


def test_a_cancel_that_comes_before_its_job_is_not_lost(worker, job):
    request = job()
    worker.cancel(request.job)
    with pytest.raises(Cancelled):
        draw(worker, request)
    assert draw(worker, job()) == [0, 1]


def test_a_cancel_while_the_child_starts_takes_effect_at_once(worker, job):
    worker.stop()
    request = job(steps=900)
    threading.Timer(0.2, worker.cancel, [request.job]).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        draw(worker, request)
    assert time.monotonic() - began < 5


def test_a_child_that_does_not_react_to_a_cancel_is_killed(worker, job, monkeypatch):
    monkeypatch.setattr(worker_module, "CANCEL_SECONDS", 0.3)
    request = job(steps=900)

    def freeze(progress):
        if isinstance(progress, Step) and progress.step == 2:
            psutil.Process(worker.pid).send_signal(signal.SIGSTOP)
            worker.cancel(request.job)

    with pytest.raises(Cancelled):
        worker.generate(request, freeze)
    assert worker.state is WorkerState.STOPPED


def test_when_our_own_side_fails_the_child_comes_to_rest(worker, job):
    def fail(progress):
        if isinstance(progress, Step):
            raise DiskFull("Full.")

    draw(worker, job())
    pid = worker.pid
    with pytest.raises(DiskFull):
        worker.generate(job(steps=900), fail)
    assert draw(worker, job()) == [0, 1]
    assert worker.pid == pid


def test_a_wish_for_a_device_that_is_not_there_is_told_and_the_log_has_the_details(job, tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_DEVICE", "nonesuch")
    with (tmp_path / "log").open("wb") as log:
        worker = Worker(log)
        with pytest.raises(JobFailed, match="nonesuch"):
            draw(worker, job())
        worker.stop()
    assert "Traceback" in (tmp_path / "log").read_text()


def test_a_worker_closed_in_the_middle_ends_its_job_and_starts_no_other(job):
    worker = Worker()

    def close(progress):
        if isinstance(progress, Step):
            worker.close()

    with pytest.raises(WorkerDied):
        worker.generate(job(steps=900), close)
    with pytest.raises(WorkerDied, match="shut down"):
        draw(worker, job())
    assert worker.pid is None


def test_the_users_environment_wins(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert environment()["OMP_NUM_THREADS"] == "3"
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert int(environment()["OMP_NUM_THREADS"]) >= 1
