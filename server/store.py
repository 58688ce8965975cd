"""Jobs and their events in SQLite. What a method has returned from survives the end of this process, and of the power."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.errors import DiskFull, JobNotFound, QueueFull, ServerStartFailed
from ..core.protocol import Event, EventKind, Job, JobRequest, JobState

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE jobs (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    key          TEXT NOT NULL UNIQUE,
    state        TEXT NOT NULL,
    cancelling   INTEGER NOT NULL DEFAULT 0,
    request      TEXT NOT NULL,
    frames_total INTEGER NOT NULL,
    frames_done  INTEGER NOT NULL DEFAULT 0,
    created      REAL NOT NULL,
    started      REAL,
    ended        REAL,
    error        TEXT
);
CREATE INDEX jobs_by_state ON jobs (state, number);
CREATE TABLE events (
    job  TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    id   INTEGER NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (job, id)
) WITHOUT ROWID;
"""
_CHANGEABLE = {"state", "cancelling", "frames_done", "started", "ended", "error"}


class Store:
    """One connection behind one lock, for every thread.

    SQLite before 3.51.3 can corrupt a WAL file that two connections checkpoint at once; one connection cannot.
    """

    def __init__(self, path: Path):
        """Open or create. Raises `ServerStartFailed` for a database of a newer version, or none at all."""
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        try:
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            self.close()
            raise ServerStartFailed(
                f"{path} is not a readable job database ({error}).", "Move it away, or choose another data folder."
            ) from error
        except BaseException:
            self.close()
            raise

    def _prepare(self, path: Path) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise ServerStartFailed(
                f"{path} was written by a newer Understudy (schema {version}, this one knows {SCHEMA_VERSION}).",
                "Update Understudy, or choose another data folder.",
            )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        if version == 0:
            self._connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is durable afterwards, or nothing of it. Raises `DiskFull`."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and error.sqlite_errorcode in (
                    sqlite3.SQLITE_FULL,
                    sqlite3.SQLITE_IOERR_WRITE,
                ):
                    raise DiskFull("The disk is full: the job's state could not be written.") from error
                raise

    def add(self, job_id: str, key: str, request: JobRequest, frames: int, max_live: int) -> Job:
        """Queue a job, with its first event; the job there is already where `key` was seen before.

        Raises `QueueFull` where `max_live` jobs are queued or running.
        """
        with self._transaction() as connection:
            if known := self.find(key):
                return known
            ahead = self._live()
            if ahead >= max_live:
                raise QueueFull(f"{ahead} jobs are waiting already.")
            connection.execute(
                "INSERT INTO jobs (id, key, state, request, frames_total, created) VALUES (?, ?, ?, ?, ?, ?)",
                (job_id, key, JobState.QUEUED, json.dumps(request.to_json()), frames, time.time()),
            )
            self._append(job_id, EventKind.QUEUED, {"position": ahead})
            return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """Raises `JobNotFound`."""
        row = self._one("SELECT * FROM jobs WHERE id = ?", job_id)
        if row is None:
            raise JobNotFound(f"There is no job {job_id}.")
        return _job(row)

    def find(self, key: str) -> Job | None:
        """The job that was submitted under this idempotency key."""
        row = self._one("SELECT * FROM jobs WHERE key = ?", key)
        return _job(row) if row else None

    def jobs(self) -> list[Job]:
        """Every job, newest first."""
        return [_job(row) for row in self._all("SELECT * FROM jobs ORDER BY number DESC")]

    def has_live(self) -> bool:
        """Whether any job is queued or running."""
        return self._live() > 0

    def take_next(self) -> Job | None:
        """The oldest queued job, running from now on."""
        with self._transaction():
            row = self._one("SELECT * FROM jobs WHERE state = ? ORDER BY number LIMIT 1", JobState.QUEUED)
            if row is None:
                return None
            self._change(row["id"], {"state": JobState.RUNNING, "started": time.time()})
            return self.get(row["id"])

    def record(self, job_id: str, kind: EventKind, data: dict[str, Any], **changes: Any) -> Event:
        """Append an event and change the job, both or neither. `changes` are columns of jobs; a dict is kept as JSON.

        Raises `JobNotFound`, `DiskFull`.
        """
        with self._transaction():
            self.get(job_id)
            self._change(job_id, changes)
            return self._append(job_id, kind, data)

    def ask_to_cancel(self, job_id: str) -> JobState:
        """Cancel a queued job here and now; note the wish for a running one, whose runner ends it. The state it is in then.

        Raises `JobNotFound`.
        """
        with self._transaction():
            match self.get(job_id).state:
                case JobState.QUEUED:
                    self._end_cancelled(job_id)
                case JobState.RUNNING:
                    self._change(job_id, {"cancelling": True})
            return self.get(job_id).state

    def _end_cancelled(self, job_id: str) -> None:
        self._change(job_id, {"state": JobState.CANCELLED, "ended": time.time()})
        self._append(job_id, EventKind.CANCELLED, {})

    def events_after(self, job_id: str, after: int) -> list[Event]:
        """The job's events with a larger id, in order. None for a job there is not."""
        rows = self._all("SELECT * FROM events WHERE job = ? AND id > ? ORDER BY id", job_id, after)
        return [Event(row["id"], row["job"], EventKind(row["kind"]), json.loads(row["data"])) for row in rows]

    def delete(self, job_id: str) -> None:
        """Forget a job and its events."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def recover(self) -> None:
        """After a start: what ran when the last server ended is queued again, unless it was being cancelled."""
        with self._transaction():
            for row in self._all("SELECT id, cancelling FROM jobs WHERE state = ? ORDER BY number", JobState.RUNNING):
                if row["cancelling"]:
                    self._end_cancelled(row["id"])
                else:
                    self._change(row["id"], {"state": JobState.QUEUED})
                    self._append(row["id"], EventKind.QUEUED, {"position": 0})

    def _live(self) -> int:
        return self._one("SELECT count(*) FROM jobs WHERE state IN (?, ?)", JobState.QUEUED, JobState.RUNNING)[0]

    def _change(self, job_id: str, changes: dict[str, Any]) -> None:
        if not changes:
            return
        assert changes.keys() <= _CHANGEABLE, changes
        columns = ", ".join(f"{name} = ?" for name in changes)
        values = [json.dumps(value) if isinstance(value, dict) else value for value in changes.values()]
        self._connection.execute(f"UPDATE jobs SET {columns} WHERE id = ?", (*values, job_id))

    def _append(self, job_id: str, kind: EventKind, data: dict[str, Any]) -> Event:
        number = self._one("SELECT coalesce(max(id), 0) + 1 FROM events WHERE job = ?", job_id)[0]
        self._connection.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (job_id, number, kind, json.dumps(data)))
        return Event(number, job_id, kind, data)

    def _one(self, query: str, *values: Any) -> sqlite3.Row | None:
        with self._lock:
            return self._connection.execute(query, values).fetchone()

    def _all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"], state=JobState(row["state"]), request=JobRequest.from_json(json.loads(row["request"])),
        frames_total=row["frames_total"], frames_done=row["frames_done"], created=row["created"], started=row["started"],
        ended=row["ended"], error=json.loads(row["error"]) if row["error"] else None,
    )  # fmt: skip
