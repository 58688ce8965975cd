"""One take's way through the server, on a thread: references read, server found, job submitted and followed. No bpy."""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from ..core.errors import Cancelled, InvalidReference, ServerError, ServerUnreachable, UnderstudyError
from ..core.protocol import MAX_REFERENCE_BYTES, MAX_REFERENCE_PIXELS, Job, JobRequest
from . import threads
from .client import Client
from .events import Detached, JobFollower
from .messages import Failed, Finished, Post, ServerStarting, Submitted, Submitting
from .record import TakeRecord
from .samples import Samples
from .server_process import Server
from .storage import make_folder, require_space, save, take_folder_name

_PNG = b"\x89PNG\r\n\x1a\n"
_MAGIC = (_PNG, b"\xff\xd8\xff", b"RIFF")
_BYTES_A_PIXEL = 4  # of a frame's PNG, at the very most


@dataclass(frozen=True)
class GenerationPlan:
    """What a new take needs beside its samples. `references` are (person, picture), in the clip's order of people."""

    request: JobRequest
    references: tuple[tuple[str, Path], ...]
    takes: Path


class Generation:
    """A new take, or one that the server draws already. The last message is `Finished` or `Failed`, unless it is detached.

    `previews` is a folder for pictures that are of no use afterwards.
    """

    def __init__(self, server: Server, previews: Path, post: Post):
        self._server = server
        self._previews = previews
        self._post = post
        self._samples: SimpleQueue[Samples | None] = SimpleQueue()
        self._cancelled = threading.Event()
        self._detached = threading.Event()
        self._client: Client | None = None
        self._job: str | None = None

    def start(self, plan: GenerationPlan) -> None:
        """Begin a take while its scene is still being sampled, so that a bad picture or a missing server is known at once."""
        self._run("generating", lambda: self._follow(self._submit(plan)))

    def resume(self, record: TakeRecord) -> None:
        """Fetch a take that was asked for before; frames that are on this computer are not fetched again."""
        self._job = record.job
        self._run("fetching the take", lambda: self._follow(record))

    def deliver(self, samples: Samples) -> None:
        self._samples.put(samples)

    def cancel(self) -> None:
        """From the main thread; returns at once. `Failed(Cancelled)` follows."""
        self._cancelled.set()
        self._samples.put(None)
        if self._job is not None and self._client is not None:
            threads.start("cancelling", self._cancel_job, self._fail)

    def detach(self) -> None:
        """Leave the job to the server, which draws it to the end; nothing more is said of it."""
        self._detached.set()

    def delete_job(self) -> None:
        """Have the server forget the job, whose frames are on this computer. Returns at once."""
        threads.start("deleting the job", self._cancel_job, lambda _: None)

    def _run(self, name: str, work) -> None:
        def run() -> None:
            with contextlib.suppress(Detached):
                self._post(work())

        threads.start(name, run, self._fail)

    def _fail(self, error: UnderstudyError) -> None:
        self._post(Failed(error))

    def _submit(self, plan: GenerationPlan) -> TakeRecord:
        """Everything that can go wrong on this computer does so before anything is queued."""
        key = uuid.uuid4().hex
        references = {person: read_reference(person, path) for person, path in plan.references}
        with _new_folder(plan.takes, take_folder_name(plan.request.name, key)) as folder:
            self._connect(self._cancelled)
            samples = self._samples.get()
            if samples is None or self._cancelled.is_set():
                raise Cancelled("The take was cancelled.")
            self._post(Submitting())
            clip = samples.clip()
            clip_bytes = clip.to_bytes()
            request, settings = plan.request, plan.request.settings
            require_space(folder, len(clip_bytes) + len(clip) * settings.width * settings.height * _BYTES_A_PIXEL)
            save(folder / "clip.npz", clip_bytes)
            save(folder / "request.json", json.dumps(request.to_json(), indent=1).encode())
            job = self._deliver_job(request, clip_bytes, references, key)
        self._job = job.id
        return TakeRecord(job.id, request, folder, int(clip.frames[0]), clip.digest(), clip.people)

    def _deliver_job(self, request: JobRequest, clip: bytes, references: dict[str, bytes], key: str) -> Job:
        try:
            return self._client.submit(request, clip, references, key)
        except ServerUnreachable:
            # Perhaps only the answer was lost. The same key is the same job.
            return self._connect(self._cancelled).submit(request, clip, references, key)

    def _follow(self, record: TakeRecord) -> Finished:
        self._post(Submitted(record))
        try:
            record.folder.mkdir(parents=True, exist_ok=True)
            record.keep()
            previews = make_folder(self._previews, record.job)
            follower = JobFollower(
                self._reconnect, record.job, record.folder, previews, self._cancelled, self._detached, self._post
            )
            return Finished(record, follower.run())
        except (ServerError, Detached):
            raise  # the job goes on, and can be fetched later
        except Cancelled:
            record.remove()  # nobody looks for half a take
            raise
        except Exception:
            # A job that failed has ended already; one whose frames cannot be kept here is drawn for nobody.
            record.forget()
            self._end_job()
            raise

    def _connect(self, cancelled: threading.Event) -> Client:
        self._client = self._server.connect(cancelled, lambda: self._post(ServerStarting()))
        return self._client

    def _reconnect(self) -> Client:
        # Not to be cancelled: a server that starts again goes on with the job, so it must be told of a cancel.
        return self._connect(threading.Event())

    def _cancel_job(self) -> None:
        # Without a connection, the follower says it again on its next one.
        with contextlib.suppress(UnderstudyError):
            self._client.cancel(self._job)

    def _end_job(self) -> None:
        with contextlib.suppress(UnderstudyError):
            if not self._client.job(self._job).state.ended:
                self._client.cancel(self._job)


@contextlib.contextmanager
def _new_folder(parent: Path, name: str) -> Iterator[Path]:
    """A folder that is gone again where what is done in it fails."""
    folder = make_folder(parent, name)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


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
    width, height = _png_size(data)
    if width * height > MAX_REFERENCE_PIXELS:
        raise InvalidReference(
            f"The reference of {person} is {width} x {height}, more than {MAX_REFERENCE_PIXELS // 10**6} megapixels."
        )
    return data


def _png_size(data: bytes) -> tuple[int, int]:
    """Width and height, pixels, from a PNG's header; nothing for other kinds, whose headers the server reads."""
    if data.startswith(_PNG) and data[12:16] == b"IHDR" and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    return 0, 0
