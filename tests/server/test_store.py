from __future__ import annotations

import sqlite3
import time

import pytest
from understudy.core.errors import JobNotFound, QueueFull, ServerStartFailed
from understudy.core.protocol import EventKind, GenerationSettings, JobRequest, JobState
from understudy.server.store import SCHEMA_VERSION, Store

REQUEST = JobRequest(GenerationSettings(seed=5, prompt="ein Männlein"), name="take 1")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.sqlite"


@pytest.fixture
def store(path):
    store = Store(path)
    yield store
    store.close()


def add(store: Store, name: str, max_live: int = 10):
    return store.add(name, f"key of {name}", REQUEST, 8, max_live)


def test_a_job_is_read_as_it_was_added(store):
    before = time.time()
    job = add(store, "a")
    assert job == store.get("a") == store.find("key of a")
    assert (job.state, job.request, job.frames_total, job.frames_done) == (JobState.QUEUED, REQUEST, 8, 0)
    assert before <= job.created <= time.time()


def test_jobs_are_taken_oldest_first_and_listed_newest_first(store):
    for name in "abc":
        add(store, name)
    assert [job.id for job in store.jobs()] == ["c", "b", "a"]
    taken = [store.take_next() for _ in range(4)]
    assert [job and job.id for job in taken] == ["a", "b", "c", None]
    assert taken[0].state is JobState.RUNNING
    assert taken[0].started is not None


def test_the_same_key_adds_nothing(store):
    first = add(store, "a")
    assert store.add("b", "key of a", REQUEST, 8, 10) == first
    assert [job.id for job in store.jobs()] == ["a"]


def test_a_full_queue_refuses_new_jobs_but_knows_its_own(store):
    for name in "ab":
        add(store, name, max_live=2)
    with pytest.raises(QueueFull):
        add(store, "c", max_live=2)
    assert add(store, "a", max_live=2).id == "a"
    store.record("a", EventKind.DONE, {}, state=JobState.DONE)
    assert add(store, "c", max_live=2).id == "c"


def test_events_are_numbered_without_gaps_in_each_job(store):
    add(store, "a"), add(store, "b")
    for step in (1, 2):
        store.record("a", EventKind.STEP, {"step": step})
        store.record("b", EventKind.STEP, {"step": step})
    for job in "ab":
        assert [event.id for event in store.events_after(job, 0)] == [1, 2, 3]
    assert [event.data for event in store.events_after("a", 1)] == [{"step": 1}, {"step": 2}]


def test_an_event_and_its_change_come_together_or_not_at_all(store):
    add(store, "a")
    with pytest.raises(TypeError):
        store.record("a", EventKind.FRAME, {"frame": object()}, frames_done=1)
    assert store.get("a").frames_done == 0
    store.record("a", EventKind.FRAME, {"frame": 0}, frames_done=1)
    assert store.get("a").frames_done == 1
    assert [event.id for event in store.events_after("a", 0)] == [1, 2]


def test_an_error_is_kept_with_the_job(store):
    add(store, "a")
    error = {"error": "WorkerDied", "message": "It died.", "remedy": "Again."}
    store.record("a", EventKind.FAILED, error, state=JobState.FAILED, error=error)
    assert store.get("a").error == error


def test_an_unknown_job_is_not_found(store):
    for ask in (store.get, store.ask_to_cancel, lambda job: store.record(job, EventKind.STEP, {})):
        with pytest.raises(JobNotFound):
            ask("nobody")


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_by_its_runner(store):
    add(store, "a"), add(store, "b")
    store.take_next()
    assert store.ask_to_cancel("a") is JobState.RUNNING
    assert store.ask_to_cancel("b") is JobState.CANCELLED
    assert store.events_after("b", 0)[-1].kind is EventKind.CANCELLED
    assert store.take_next() is None


def test_deleting_a_job_deletes_its_events(store, path):
    add(store, "a")
    store.delete("a")
    assert store.jobs() == []
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
    connection.close()


def test_after_a_restart_running_is_queued_again_and_cancelling_is_cancelled(path):
    store = Store(path)
    for name in "abc":
        add(store, name)
    store.take_next(), store.take_next()
    store.ask_to_cancel("b")
    store.close()

    store = Store(path)
    store.recover()
    assert [store.get(name).state for name in "abc"] == ["queued", "cancelled", "queued"]
    assert store.events_after("b", 0)[-1].kind is EventKind.CANCELLED
    assert store.take_next().id == "a"
    store.close()


def test_a_database_of_a_newer_version_is_refused_untouched(path):
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ServerStartFailed, match="newer"):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_untouched(path):
    path.write_bytes(b"not a database, but long enough to be asked for one" * 100)
    with pytest.raises(ServerStartFailed, match="not a readable"):
        Store(path)
    assert path.read_bytes().startswith(b"not a database")


def test_what_was_acknowledged_is_on_the_disk(store, path):
    assert store._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert store._connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
