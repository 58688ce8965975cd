"""The worker as the server sees it: one child process that holds torch and the loaded engine between jobs, and may die."""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO

import psutil

from ..core.errors import Cancelled, OutOfMemory, UnderstudyError, WorkerDied, from_json
from .messages import Cancel, Failed, Finished, Frame, Generate, Message, Note, Pipe, Preview, Ready, Step

logger = logging.getLogger(__name__)

CANCEL_SECONDS = 5.0

Progress = Ready | Step | Note | Preview | Frame


class WorkerState(enum.StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"


class Worker:
    """Runs one job at a time, on the calling thread; `cancel()` and `close()` may come from any other.

    The child starts with the first job, and again after it died.
    """

    def __init__(self, log: IO[bytes] | None = None):
        """What the child prints goes to the file `log`, or to this process's own error stream."""
        self._log = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._pipe: Pipe | None = None
        self._job: str | None = None
        self._cancelled: str | None = None
        self._closed = False
        self.state = WorkerState.STOPPED
        self.device: str | None = None
        self.precision: str | None = None

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process else None

    def start(self) -> None:
        """Start the child unless it runs, and wait until it is ready. Raises `WorkerDied`."""
        if self._process and self._process.poll() is None:
            return
        self.stop()
        with self._lock:
            if self._closed:
                raise WorkerDied("The worker has been shut down.")
            self._process = self._spawn()
            self._pipe = Pipe(self._process.stdout, self._process.stdin)
            self.state = WorkerState.STARTING
        ready = self._receive()
        assert isinstance(ready, Ready), ready
        with self._lock:
            self.device, self.precision = ready.device, ready.precision
            self.state = WorkerState.IDLE
        logger.info("worker %s is ready on %s", self.pid, self.device)

    def generate(self, request: Generate, on_progress: Callable[[Progress], None]) -> None:
        """Run a job to its end, telling its progress, from `Ready` on. What `on_progress` raises ends the job too.

        Raises `Cancelled`, `WorkerDied`, and what the engine raised.
        """
        with self._lock:
            # A cancel that came before the job did must not be lost.
            if self._cancelled == request.job:
                raise Cancelled("The job was cancelled.")
            self._job = request.job
        try:
            self.start()
            self._converse(request, on_progress)
        except WorkerDied as error:
            self.stop()
            if self._cancelled == request.job:
                raise Cancelled("The job was cancelled.") from error
            raise
        except OutOfMemory:
            self.stop()  # what is left of its memory is fragmented: the next job gets a fresh process
            raise
        finally:
            with self._lock:
                self._job = None
                if self.state is not WorkerState.STOPPED:
                    self.state = WorkerState.IDLE

    def _converse(self, request: Generate, on_progress: Callable[[Progress], None]) -> None:
        on_progress(Ready(self.device, self.precision))
        with self._lock:
            self.state = WorkerState.BUSY
            self._send(request)
            if self._cancelled == request.job:  # it came while the child was starting
                self._send(Cancel(request.job))
        while isinstance(message := self._receive(), Progress):
            try:
                on_progress(message)
            except BaseException:
                self._abandon(request.job)
                raise
        if isinstance(message, Failed):
            raise from_json(message.error)
        assert isinstance(message, Finished), message

    def cancel(self, job: str) -> None:
        """Stop `job` at its next sign of progress, or kill the child when there is none for 5 seconds. Returns at once."""
        with self._lock:
            self._cancelled = job
            if self._job != job or self.state is WorkerState.STOPPED:
                return  # `generate()` looks before it begins
            if self.state is WorkerState.STARTING:
                self._process.kill()
                return
            self._send(Cancel(job))
        killer = threading.Timer(CANCEL_SECONDS, self._kill_if_still_at, [job])
        killer.daemon = True
        killer.start()

    def stop(self) -> None:
        """End the child, whatever it does. Not while another thread is in `generate()`: there is `close()` for that."""
        with self._lock:
            process, pipe = self._process, self._pipe
            self._process = self._pipe = None
            self.state = WorkerState.STOPPED
        if process:
            process.kill()
            process.wait()
            with contextlib.suppress(OSError):
                pipe.close()

    def close(self) -> None:
        """End the child for good, from another thread: the one in `generate()` gets `WorkerDied`, and no new child starts."""
        with self._lock:
            self._closed = True
            if self._process:
                self._process.kill()

    def _abandon(self, job: str) -> None:
        """Bring the child to rest in the middle of `job`, after our own side failed."""
        self.cancel(job)
        with contextlib.suppress(UnderstudyError):
            while isinstance(self._receive(), Progress):
                pass

    def _kill_if_still_at(self, job: str) -> None:
        with self._lock:
            if self._job == job and self._process:
                logger.warning("worker %s did not react to a cancel: killed", self._process.pid)
                self._process.kill()

    def _send(self, message: Message) -> None:
        # A child that is gone shows as the end of the stream to whoever receives.
        with contextlib.suppress(OSError):
            self._pipe.send(message)

    def _receive(self) -> Message:
        try:
            return self._pipe.receive()
        except (EOFError, OSError) as error:
            code = self._process.wait()
            raise WorkerDied(f"The worker process ended in the middle of its work ({_how(code)}).") from error

    def _spawn(self) -> subprocess.Popen:
        command = [sys.executable, "-P", "-m", f"{__package__}.worker_main", "--parent", str(os.getpid())]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip


def environment() -> dict[str, str]:
    """The child's environment: ours, and what torch wants, except where the user has set it."""
    wanted = {
        # Two threads on one core only take turns at its vector unit.
        "OMP_NUM_THREADS": str(psutil.cpu_count(logical=False) or os.cpu_count() or 1),
        # cuBLAS gives the same bytes each time only with a fixed workspace.
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "PYTORCH_ENABLE_MPS_FALLBACK": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return {**wanted, **os.environ}


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
