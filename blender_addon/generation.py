"""One take's way through the server, on a thread: references read, server found, job submitted and followed. No bpy."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from ..core.errors import Cancelled, InvalidReference, ServerError, UnderstudyError
from ..core.pose.clip import PoseClip
from ..core.protocol import MAX_REFERENCE_BYTES, JobRequest
from . import threads
from .client import Client
from .events import JobFollower
from .messages import Failed, Finished, Post, ServerStarting, Submitted, Submitting
from .server_process import Server
from .storage import make_folder, save, take_folder_name

_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


@dataclass(frozen=True)
class GenerationPlan:
    """Everything a take needs beside its clip. `references` are (person, picture), in the clip's order of people."""

    request: JobRequest
    references: tuple[tuple[str, Path], ...]
    server: Server
    takes: Path
    previews: Path


class Generation:
    """Begins while the scene is still being sampled, so that a bad picture or a missing server is known at once.

    Its last message is `Finished` or `Failed`.
    """

    def __init__(self, plan: GenerationPlan, post: Post):
        self._plan = plan
        self._post = post
        self._clip: SimpleQueue[PoseClip | None] = SimpleQueue()
        self._cancelled = threading.Event()
        self._client: Client | None = None
        self._job: str | None = None

    def start(self) -> None:
        threads.start("generating", lambda: self._post(self._generate()), self._fail)

    def deliver(self, clip: PoseClip) -> None:
        self._clip.put(clip)

    def cancel(self) -> None:
        """From the main thread; returns at once. `Failed(Cancelled)` follows."""
        self._cancelled.set()
        self._clip.put(None)
        if self._job is not None:
            threads.start("cancelling", self._cancel_job, self._fail)

    def _fail(self, error: UnderstudyError) -> None:
        self._post(Failed(error))

    def _generate(self) -> Finished:
        plan = self._plan
        references = {person: read_reference(person, path) for person, path in plan.references}
        client = self._connect()
        clip = self._clip.get()
        if clip is None or self._cancelled.is_set():
            raise Cancelled("The take was cancelled.")
        self._post(Submitting())
        clip_bytes = clip.to_bytes()
        job = client.submit(plan.request, clip_bytes, references, key=uuid.uuid4().hex)
        self._job = job.id
        folder = make_folder(plan.takes, take_folder_name(plan.request.name, job.id))
        self._post(Submitted(job.id, folder))
        save(folder / "clip.npz", clip_bytes)
        save(folder / "request.json", json.dumps(plan.request.to_json(), indent=1).encode())
        previews = make_folder(plan.previews, job.id)
        frames = JobFollower(self._connect, job.id, folder, previews, self._cancelled, self._post).run()
        return Finished(job.id, folder, frames, int(clip.frames[0]), clip.digest())

    def _connect(self) -> Client:
        self._client = self._plan.server.connect(self._cancelled, lambda: self._post(ServerStarting()))
        return self._client

    def _cancel_job(self) -> None:
        # Without a connection, the follower says it again on its next one.
        with contextlib.suppress(ServerError):
            self._client.cancel(self._job)


def read_reference(person: str, path: Path) -> bytes:
    """A picture's bytes. Raises `InvalidReference` for what is plainly none, or too large; its pixels the server judges."""
    try:
        size = path.stat().st_size
        if size > MAX_REFERENCE_BYTES:
            limit = MAX_REFERENCE_BYTES >> 20
            raise InvalidReference(f"The reference of {person} is {size / 2**20:.0f} MB, more than {limit}.")
        data = path.read_bytes()
    except OSError as error:
        raise InvalidReference(f"The reference of {person} cannot be read: {path} ({error.strerror}).") from error
    if not data.startswith(_MAGIC):
        raise InvalidReference(f"The reference of {person} is not a picture: {path.name}.")
    return data
