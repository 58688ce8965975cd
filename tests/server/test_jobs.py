from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections import namedtuple
from pathlib import Path

import pytest
from understudy.core.errors import DiskFull, InvalidReference, JobNotFound, QueueFull
from understudy.core.protocol import GenerationSettings, JobRequest
from understudy.server import jobs as jobs_module
from understudy.server.events import EventLog
from understudy.server.jobs import Jobs, Submission
from understudy.server.store import Store


@pytest.fixture
def jobs(tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    yield Jobs(tmp_path, tmp_path / "weights", store, EventLog(store))
    store.close()


@pytest.fixture
def submission(clip_factory, reference):
    request = JobRequest(GenerationSettings(width=64, height=64))
    return Submission(request, clip_factory(3).to_bytes(), {"Ann": reference})


def test_a_job_lies_whole_in_its_folder(jobs, submission):
    job = jobs.submit(submission, "key")
    folder = jobs.folder(job.id)
    assert folder.clip.read_bytes() == submission.clip
    assert [path.read_bytes() for path in folder.references] == [submission.references["Ann"]]
    assert job.frames_total == 3


def test_the_same_key_leaves_one_folder(jobs, submission):
    assert jobs.submit(submission, "key") == jobs.submit(submission, "key")
    assert len(list((jobs.folder("x").path.parent).iterdir())) == 1


def test_what_is_refused_leaves_nothing(jobs, submission, monkeypatch, tmp_path):
    monkeypatch.setattr(jobs_module, "MAX_LIVE_JOBS", 0)
    with pytest.raises(QueueFull):
        jobs.submit(submission, "key")
    monkeypatch.undo()
    with pytest.raises(InvalidReference):
        jobs.submit(Submission(submission.request, submission.clip, {}), "key")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    with pytest.raises(DiskFull, match="1 MB are free"):
        jobs.submit(submission, "key")
    assert jobs.store.jobs() == []
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_frame_is_not_shown_before_its_event(jobs, submission):
    job = jobs.submit(submission, "key")
    jobs.folder(job.id).frame(0).write_bytes(b"being written")
    for index in (0, -1, 10**9):
        with pytest.raises(JobNotFound):
            jobs.frame(job.id, index)


def test_a_start_sweeps_what_a_killed_server_left(jobs, submission, tmp_path):
    job = jobs.submit(submission, "key")
    folder = jobs.folder(job.id).path
    (folder / "frames" / "0001.png.part").touch()
    jobs.folder(job.id).checkpoint.touch()
    (folder.with_name(f"{uuid.uuid4().hex}.part") / "frames").mkdir(parents=True)
    folder.with_name(uuid.uuid4().hex).mkdir()
    Jobs(tmp_path, tmp_path / "weights", jobs.store, jobs.log)
    assert list((tmp_path / "jobs").iterdir()) == [folder]
    assert list((folder / "frames").iterdir()) == []
    assert jobs.folder(job.id).checkpoint.exists()
    jobs.remove(job.id)
    Jobs(tmp_path, tmp_path / "weights", jobs.store, jobs.log)
    assert not jobs.folder(job.id).checkpoint.exists()


def test_a_start_leaves_alone_what_is_not_the_servers(jobs, tmp_path):
    """The user may have chosen a folder for the data that has a folder `jobs` of its own."""
    theirs = tmp_path / "jobs" / "client work"
    theirs.mkdir()
    files = [theirs / "video.mp4.part", theirs / "invoice.pdf", tmp_path / "jobs" / "list.txt.part"]
    for path in files:
        path.touch()
    Jobs(tmp_path, tmp_path / "weights", jobs.store, jobs.log)
    assert all(path.exists() for path in files)


def test_a_half_written_file_that_cannot_be_removed_does_not_keep_the_server_from_starting(
    jobs, submission, tmp_path, monkeypatch
):
    part = jobs.folder(jobs.submit(submission, "key").id).path / "frames" / "0001.png.part"
    part.touch()

    def refuse(path, missing_ok=False):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        Jobs(tmp_path, tmp_path / "weights", jobs.store, jobs.log)
    assert part.exists()


def test_old_jobs_are_forgotten_unless_they_are_live(jobs, submission):
    ended, live = (jobs.submit(submission, key).id for key in ("ended", "live"))
    jobs.remove(ended)  # a queued one is cancelled
    jobs.forget_ended_before(time.time() - 60)
    assert {job.id for job in jobs.store.jobs()} == {ended, live}
    jobs.forget_ended_before(time.time() + 60)
    assert [job.id for job in jobs.store.jobs()] == [live]
    assert not jobs.folder(ended).path.exists()
    assert jobs.folder(live).path.exists()
