"""The runner with a real worker, and the faults that a server cannot be asked for from outside."""

from __future__ import annotations

import errno
import os
import sqlite3
import time

import pytest
from understudy.core.files import full_disk_named, write_atomically
from understudy.core.protocol import EventKind, GenerationSettings, JobRequest
from understudy.server import runner as runner_module
from understudy.server.events import EventLog
from understudy.server.jobs import Jobs, Submission
from understudy.server.runner import Runner
from understudy.server.store import Store
from understudy.server.worker import Worker


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """The job service with a runner at work, for every test: none of them ends it."""
    tmp_path = tmp_path_factory.mktemp("runner")
    store = Store(tmp_path / "jobs.sqlite")
    jobs = Jobs(tmp_path, tmp_path / "weights", store, EventLog(store))
    runner = Runner(tmp_path, jobs, Worker())
    runner.start()
    yield jobs
    runner.stop()
    store.close()


@pytest.fixture
def submit(jobs, clip_factory, reference):
    def send(frames: int = 3, steps: int = 2) -> str:
        request = JobRequest(GenerationSettings(width=64, height=64, steps=steps))
        submission = Submission(request, clip_factory(frames).to_bytes(), {"Ann": reference})
        return jobs.submit(submission, f"{time.monotonic_ns()}").id

    return send


def wait(jobs: Jobs, job: str):
    deadline = time.monotonic() + 60
    while not (found := jobs.store.get(job)).state.ended:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_a_disk_that_fills_up_fails_the_job_and_leaves_nothing_half_written(jobs, submit, monkeypatch):
    def full_at_the_second(path, data, private=False):
        if path.name == "0002.png":
            with full_disk_named(path.name):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_atomically(path, data, private)

    monkeypatch.setattr(runner_module, "write_atomically", full_at_the_second)
    failed = wait(jobs, job := submit())
    assert (failed.state, failed.error["error"], failed.frames_done) == ("failed", "DiskFull", 1)
    assert [path.name for path in (jobs.folder(job).path / "frames").iterdir()] == ["0001.png"]
    assert not list(jobs.folder(job).path.rglob("*.part"))
    monkeypatch.undo()
    assert wait(jobs, submit()).state == "done"


def test_a_preview_that_cannot_be_written_costs_the_job_nothing(jobs, submit, monkeypatch):
    def being_read(path, data, private=False):
        if path.name == "preview.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        write_atomically(path, data, private)

    monkeypatch.setattr(runner_module, "write_atomically", being_read)
    assert wait(jobs, job := submit(steps=4)).state == "done"
    assert EventKind.PREVIEW not in {event.kind for event in jobs.store.events_after(job, 0)}


def test_an_end_that_cannot_be_recorded_is_recorded_when_it_can(jobs, submit, monkeypatch):
    monkeypatch.setattr(runner_module, "_RETRY_SECONDS", 0.1)
    append, refusals = jobs.log.append, []

    def refuse_twice(job_id, kind, data, **changes):
        if kind is EventKind.DONE and len(refusals) < 2:
            refusals.append(kind)
            raise sqlite3.OperationalError("disk I/O error")
        append(job_id, kind, data, **changes)

    monkeypatch.setattr(jobs.log, "append", refuse_twice)
    assert wait(jobs, submit()).state == "done"
    assert len(refusals) == 2


def test_an_unforeseen_error_fails_the_job_and_the_next_one_runs(jobs, submit, monkeypatch):
    def surprise(*_):
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(runner_module, "encode_png", surprise)
    failed = wait(jobs, submit())
    assert (failed.state, failed.error["error"]) == ("failed", "JobFailed")
    assert "ZeroDivisionError" in failed.error["message"]
    monkeypatch.undo()
    assert wait(jobs, submit()).state == "done"


def test_latents_are_kept_while_the_job_runs_and_not_after(jobs, submit):
    job = submit(steps=400)
    deadline = time.monotonic() + 30
    while not jobs.folder(job).checkpoint.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    jobs.remove(job)
    assert wait(jobs, job).state == "cancelled"
    while list(jobs.folder(job).path.glob("latents*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
