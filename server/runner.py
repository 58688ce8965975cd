"""The thread that takes one job after the other through the worker, to frames on the disk and events in the log."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from ..core.errors import Cancelled, DiskFull, JobFailed, UnderstudyError, WorkerDied
from ..core.files import write_atomically
from ..core.pose.clip import PoseClip
from ..core.protocol import EventKind, Job, JobState
from . import second_try
from .eta import Eta
from .files import Ballast
from .jobs import Jobs
from .messages import Frame, Generate, Note, Preview, Ready, Step
from .pictures import about_frame, encode_png, encode_preview
from .second_try import SteppedDown
from .worker import Progress, Worker

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0


class Runner(threading.Thread):
    """Runs as long as the server: on Linux the child dies with the thread that started it."""

    def __init__(self, data: Path, jobs: Jobs, worker: Worker):
        super().__init__(name="runner", daemon=True)
        self._jobs = jobs
        self._worker = worker
        self._ballast = Ballast(data / "ballast")
        self._work = threading.Event()
        self._stopping = threading.Event()
        jobs.on_queued = self._work.set
        jobs.on_cancel = worker.cancel

    def run(self) -> None:
        self._ballast.take_on()
        while not self._stopping.is_set():
            self._work.clear()
            try:
                job = self._jobs.store.take_next()
            except (DiskFull, sqlite3.Error):
                self._make_room()
                continue
            if job:
                self._run(job)
            else:
                self._work.wait()
        self._worker.stop()

    def stop(self) -> None:
        """End the thread and the child. The job they were at stays as it is, and is gone on with after the next start."""
        self._stopping.set()
        self._work.set()
        self._worker.close()
        self.join()

    def _run(self, job: Job) -> None:
        began = time.monotonic()
        try:
            JobRun(self._jobs, job, self._worker).draw()
        except Cancelled:
            self._end(job, JobState.CANCELLED, {})
        except WorkerDied as error:
            if not self._stopping.is_set():
                self._fail(job, error)
        except UnderstudyError as error:
            self._fail(job, error)
        except Exception as error:  # the server must outlive whatever one job runs into
            logger.exception("job %s failed", job.id)
            self._fail(job, JobFailed(f"The server failed: {type(error).__name__}: {error}"))
        else:
            self._end(job, JobState.DONE, {"frames": job.frames_total, "seconds": round(time.monotonic() - began, 3)})

    def _fail(self, job: Job, error: UnderstudyError) -> None:
        logger.error("job %s: %s", job.id, error)
        if isinstance(error, DiskFull):
            self._ballast.drop()
        self._end(job, JobState.FAILED, error.to_json(), error=error.to_json())

    def _end(self, job: Job, state: JobState, data: dict[str, Any], **changes: Any) -> None:
        """Record the end for certain: on a full disk as soon as there is room."""
        kind = EventKind(state.value)
        while True:
            try:
                self._jobs.log.append(job.id, kind, data, state=state, ended=time.time(), **changes)
                break
            except (DiskFull, sqlite3.Error):
                self._make_room()
                if self._stopping.is_set():
                    return
        self._jobs.folder(job.id).discard_checkpoint()
        self._ballast.take_on()

    def _make_room(self) -> None:
        """Give the ballast back, and where it was gone already wait for somebody to free some space."""
        logger.exception("the state of the jobs cannot be written")
        self._ballast.drop()
        self._stopping.wait(_RETRY_SECONDS)


class JobRun:
    """One job's way through the worker."""

    def __init__(self, jobs: Jobs, job: Job, worker: Worker):
        self._jobs = jobs
        self._job = job
        self._worker = worker
        self._folder = jobs.folder(job.id)
        self._settings = job.request.settings
        clip = PoseClip.load(self._folder.clip)
        self._scene_frames = clip.frames.tolist()
        self._digest = clip.digest()
        self._eta = Eta(job.frames_total)

    def draw(self) -> None:
        """Draw every frame that is not there yet. Raises what the worker does, and `DiskFull`."""
        request = Generate(
            job=self._job.id,
            clip=str(self._folder.clip),
            references=[str(path) for path in self._folder.references],
            settings=self._settings.to_json(),
            weights=str(self._jobs.weights),
            checkpoint=str(self._folder.checkpoint),
            drawn=self._job.frames_done,
        )
        second_try.generate(self._worker, request, self._job.frames_total, self._on_progress)

    def _tell(self, kind: EventKind, data: dict[str, Any], **changes: Any) -> None:
        self._jobs.log.append(self._job.id, kind, data, **changes)

    def _on_progress(self, progress: Progress | SteppedDown) -> None:
        match progress:
            case SteppedDown(settings, text):
                self._settings = settings  # what the frames say of themselves
                self._tell(EventKind.NOTE, {"text": text})
            case Ready(device, _):
                self._eta = Eta(self._job.frames_total)  # what the worker's start took says nothing of the steps
                self._tell(
                    EventKind.STARTED, {"engine": self._settings.engine, "device": device, "frames": self._job.frames_total}
                )
            case Step(step, steps):
                self._tell(EventKind.STEP, {"step": step, "steps": steps, "eta": round(self._eta.after_step(step, steps), 2)})
            case Note(text):
                self._tell(EventKind.NOTE, {"text": text})
            case Preview():
                self._show(progress)
            case Frame():
                self._keep(progress)

    def _show(self, preview: Preview) -> None:
        """Write the preview, then say so. One that cannot be written is left out: it is not worth the job."""
        picture = encode_preview(preview.width, preview.height, preview.pixels)
        try:
            write_atomically(self._folder.preview, picture)
        except OSError as error:  # on Windows, where a client is just reading the last one; a full disk is no OSError
            logger.warning("a preview of job %s could not be written: %s", self._job.id, error)
        else:
            self._tell(EventKind.PREVIEW, {"step": preview.step})

    def _keep(self, frame: Frame) -> None:
        """Write the frame, then say so. A job that was gone on with sends again what it had sent: that is kept already."""
        eta = self._eta.after_frame(frame.index)
        if frame.index < self._job.frames_done:
            return
        about = about_frame(self._settings, self._digest, self._scene_frames[frame.index])
        write_atomically(self._folder.frame(frame.index), encode_png(frame.width, frame.height, frame.pixels, about))
        self._tell(
            EventKind.FRAME,
            {"frame": frame.index, "frames": self._job.frames_total, "eta": round(eta, 2)},
            frames_done=frame.index + 1,
        )
