"""The job service: what a client may do with jobs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import JobNotFound
from ..core.pose.clip import PoseClip
from ..core.protocol import Job, JobRequest, JobState
from . import admission
from .events import EventLog
from .files import require_space
from .folders import JobFolder, sweep
from .store import Store

MAX_LIVE_JOBS = 100


@dataclass(frozen=True)
class Submission:
    """What a client sends to have a job done: the request, the clip's `.npz`, a picture of each person by name."""

    request: JobRequest
    clip: bytes
    references: dict[str, bytes]


class Jobs:
    """Submits, finds, cancels and deletes. Safe from any thread; every method may wait for the disk."""

    def __init__(self, data: Path, weights: Path, store: Store, log: EventLog):
        """Recovers what the last server left in the folder `data`. `weights` holds a folder for each engine that needs one."""
        self._root = data / "jobs"
        self._root.mkdir(exist_ok=True)
        self.weights = weights
        self.store = store
        self.log = log
        store.recover()
        known = store.jobs()
        sweep(self._root, {job.id for job in known})
        for job in known:
            if job.state.ended:
                self.folder(job.id).discard_checkpoint()
        self.on_queued: Callable[[], None] = lambda: None
        self.on_cancel: Callable[[str], None] = lambda job_id: None

    def folder(self, job_id: str) -> JobFolder:
        """Only for ids that the store knows: what a client calls an id is no path."""
        return JobFolder(self._root / job_id)

    def submit(self, submission: Submission, key: str) -> Job:
        """Check and queue; durable on return. The same `key` again gives the job there is.

        Raises `InputError`, `UnknownEngine`, `InvalidWeights`, `DiskFull`, `QueueFull`, with nothing queued and nothing left on
        the disk.
        """
        if known := self.store.find(key):
            return known
        settings = submission.request.settings
        clip = PoseClip.from_bytes(submission.clip)
        references = admission.in_order(clip, submission.references)
        admission.check(settings, clip, references, self.weights)
        require_space(self._root, admission.space_needed(settings, clip))
        folder = self.folder(uuid.uuid4().hex)
        folder.create(submission.clip, references)
        job = None
        try:
            job = self.store.add(folder.path.name, key, submission.request, len(clip), MAX_LIVE_JOBS)
        finally:
            if job is None or job.id != folder.path.name:  # refused, or the same key won on another thread
                folder.remove()
        self.on_queued()
        return job

    def remove(self, job_id: str) -> Job:
        """Cancel a live job, delete one that has ended. The job as it then is, or was. Raises `JobNotFound`."""
        job = self.store.get(job_id)
        if job.state.ended:
            self.store.delete(job_id)
            self.folder(job_id).remove()
            return job
        if self.store.ask_to_cancel(job_id) is JobState.RUNNING:
            self.on_cancel(job_id)
        self.log.wake(job_id)
        return self.store.get(job_id)

    def forget_ended_before(self, time: float) -> None:
        """Delete the jobs that ended before `time`, in seconds since 1970."""
        for job in self.store.jobs():
            if job.state.ended and job.ended < time:
                self.remove(job.id)

    def frame(self, job_id: str, index: int) -> Path:
        """The file of frame `index` (from 0). Raises `JobNotFound` also where it is not drawn yet."""
        done = self.store.get(job_id).frames_done
        if not 0 <= index < done:
            raise JobNotFound(f"Frame {index} is not among the {done} that are done.", "Wait for its frame event.")
        return self.folder(job_id).frame(index)

    def preview(self, job_id: str) -> Path:
        """The file of the latest preview. Raises `JobNotFound` where there is none."""
        path = self.folder(self.store.get(job_id).id).preview
        if not path.exists():
            raise JobNotFound("This job has no preview yet.", "Wait for its preview event.")
        return path
