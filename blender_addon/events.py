"""One job's event stream, followed to its end: events become messages, pictures become files. On a thread; no bpy."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..core.errors import Cancelled, JobNotFound, ServerUnreachable, Unauthorized, from_json
from ..core.protocol import Event, EventKind
from .client import Client
from .messages import FrameSaved, Noted, Post, PreviewSaved, Queued, Reconnecting, Started, StepDone
from .storage import save

RETRIES = 6  # connections in a row that brought nothing new
FIRST_PAUSE = 0.25  # seconds; doubled after each


class Detached(Exception):
    """Nobody wants to follow the job any more; it goes on."""


def read_events(stream: Iterable[bytes]) -> Iterator[Event]:
    """The events in lines of `text/event-stream`; comments (the server's heartbeat) and other fields are skipped."""
    data: list[str] = []
    for raw in stream:
        line = raw.decode("utf-8").rstrip("\r\n")
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield Event.from_json(json.loads("\n".join(data)))
            data = []


class JobFollower:
    """Follows one job until it ends, over lost connections and restarts of the server.

    `connect` gives a client of a server that answers, and may start one. `frames` and `previews` are folders; frames that
    are there already are kept. An event counts as read when its picture is on disk, so a lost connection loses none.
    `cancelled` ends the job, `detached` only the following.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        job: str,
        frames: Path,
        previews: Path,
        cancelled: threading.Event,
        detached: threading.Event,
        post: Post,
    ):
        self._connect = connect
        self._job = job
        self._frames = frames
        self._previews = previews
        self._cancelled = cancelled
        self._detached = detached
        self._post = post
        self._last = 0
        self._saved: dict[int, Path] = {}

    def run(self) -> tuple[Path, ...]:
        """The frames' files, in order. Raises what the job failed with, `Cancelled`, `ServerError`, `DiskFull`, `Detached`."""
        failures = 0
        while not self._detached.is_set():  # to connect may be to start a server
            before = self._last
            try:
                if self._follow(self._connect()):
                    return tuple(self._saved[number] for number in sorted(self._saved))
                reason = "the stream ended early"
            except (ServerUnreachable, Unauthorized) as error:  # a restarted server has another token
                failures = 0 if self._last > before else failures + 1
                if failures > RETRIES:
                    raise
                reason = error.message
            self._post(Reconnecting(reason))
            self._pause(FIRST_PAUSE * 2**failures)
        raise Detached

    def _pause(self, seconds: float) -> None:
        """Wait; a cancel that comes meanwhile is told at once. One that came before is no reason to hurry."""
        if self._cancelled.is_set():
            time.sleep(seconds)
        else:
            self._cancelled.wait(seconds)

    def _follow(self, client: Client) -> bool:
        """Handle events until the job ends (True) or the stream does (False)."""
        try:
            if self._cancelled.is_set():
                client.cancel(self._job)
            with client.open_events(self._job, after=self._last) as stream:
                for event in read_events(stream):
                    if self._detached.is_set():
                        raise Detached
                    if event.id > self._last and self._handle(event, client):
                        return True
                    self._last = max(self._last, event.id)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise client.unreachable(error) from error
        except JobNotFound as error:
            if self._cancelled.is_set():
                raise Cancelled("The job was cancelled.") from error
            raise
        return False

    def _handle(self, event: Event, client: Client) -> bool:
        """Whether the job is done."""
        data = event.data
        match event.kind:
            case EventKind.QUEUED:
                self._post(Queued(data["position"]))
            case EventKind.STARTED:
                self._post(Started(data["device"]))
            case EventKind.NOTE:
                self._post(Noted(data["text"]))
            case EventKind.STEP:
                self._post(StepDone(data["step"], data["steps"], data["eta"]))
            case EventKind.PREVIEW:
                self._post(PreviewSaved(self._save_preview(data["step"], client)))
            case EventKind.FRAME:
                self._save_frame(data["frame"], client)
                self._post(FrameSaved(len(self._saved), data["frames"], data["eta"]))
            case EventKind.DONE:
                return True
            case EventKind.FAILED:
                raise from_json(data)
            case EventKind.CANCELLED:
                raise Cancelled("The job was cancelled.")
        return False

    def _save_frame(self, number: int, client: Client) -> None:
        path = self._frames / f"{number + 1:04}.png"
        if not path.exists():
            save(path, client.frame(self._job, number))
        self._saved[number] = path

    def _save_preview(self, step: int, client: Client) -> Path:
        # A new name each time: Blender keeps a picture by its path.
        path = self._previews / f"{self._job}-{self._last}-{step}.png"
        save(path, client.preview(self._job))
        return path
