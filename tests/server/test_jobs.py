from __future__ import annotations

import shutil
from collections import namedtuple

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
    yield Jobs(tmp_path, store, EventLog(store))
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
    (folder.with_name("half.part") / "frames").mkdir(parents=True)
    folder.with_name("unacknowledged").mkdir()
    Jobs(tmp_path, jobs.store, jobs.log)
    assert list((tmp_path / "jobs").iterdir()) == [folder]
    assert list((folder / "frames").iterdir()) == []
    assert jobs.folder(job.id).checkpoint.exists()
    jobs.remove(job.id)
    Jobs(tmp_path, jobs.store, jobs.log)
    assert not jobs.folder(job.id).checkpoint.exists()
