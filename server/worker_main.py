"""The worker process: the only one of the server's that imports torch. It draws one job at a time and tells how it goes."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import queue
import signal
import sys
import threading
from pathlib import Path

from ..core.engines import catalog
from ..core.engines.interface import Engine, FrameReady, Noted, PreviewReady, Progress, Reference, Runtime, StepDone, Working
from ..core.errors import Cancelled, JobFailed, OutOfMemory, UnderstudyError
from ..core.files import full_disk_named
from ..core.pose.clip import PoseClip
from ..core.pose.reference import pose_in
from ..core.protocol import GenerationSettings
from .messages import Cancel, Failed, Finished, Frame, Generate, Message, Note, Pipe, Preview, Ready, Step
from .pictures import decode_matte, decode_reference

logger = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parent = parser.parse_args().parent
    # Ctrl-C in a terminal reaches every process of it: only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)
    pipe = take_standard_streams()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s", stream=sys.stderr)
    device = choose_device()
    inbox = Inbox(pipe)
    pipe.send(Ready(device, find_precision(device)))
    Drawer(device, pipe, inbox).run()


def take_standard_streams() -> Pipe:
    """Keep standard input and output for the messages, and give everybody else the log and nothing to read.

    A stray print, of Python or of C, thereby cannot get into the conversation.
    """
    pipe = Pipe(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return pipe


def die_with(parent: int) -> None:
    """On Linux, have the kernel kill us when `parent` ends. Elsewhere the end of the pipe tells (`Inbox`)."""
    if sys.platform != "linux":
        return
    import ctypes

    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def choose_device() -> str:
    """`UNDERSTUDY_DEVICE`, or the best this machine has: "cuda", "mps" or "cpu"."""
    import torch

    if wish := os.environ.get("UNDERSTUDY_DEVICE"):
        return wish
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def find_precision(device: str) -> str:
    """What `device` computes in unless the settings say otherwise; "" where there is no such device, of which jobs tell."""
    from ..core.engines import placement

    try:
        return placement.fastest(device)
    except (RuntimeError, AssertionError):  # as torch calls it, by the kind of device
        return ""


class Inbox:
    """What the server says, read on a thread: a cancel must arrive while the job it cancels runs."""

    def __init__(self, pipe: Pipe):
        self._pipe = pipe
        self._jobs: queue.SimpleQueue[Generate] = queue.SimpleQueue()
        self._cancelled: str | None = None
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                message = self._pipe.receive()
            except (EOFError, OSError):
                os._exit(0)  # the server is gone, and nobody wants what we are drawing
            if isinstance(message, Cancel):
                self._cancelled = message.job
            elif isinstance(message, Generate):
                self._jobs.put(message)

    def next_job(self) -> Generate:
        return self._jobs.get()

    def is_cancelled(self, job: str) -> bool:
        return self._cancelled == job


class Drawer:
    """Draws jobs one after the other, keeping the engine of the last one loaded."""

    def __init__(self, device: str, pipe: Pipe, inbox: Inbox):
        self._device = device
        self._pipe = pipe
        self._inbox = inbox
        self._engine: Engine | None = None
        self._held: tuple[str, Runtime] | None = None  # which one that is

    def run(self) -> None:
        while True:
            self._pipe.send(self._draw(self._inbox.next_job()))

    def _draw(self, request: Generate) -> Finished | Failed:
        try:
            settings = GenerationSettings.from_json(request.settings)
            clip = PoseClip.load(request.clip)
            references = [read_reference(Path(path)) for path in request.references]

            def on_progress(progress: Progress) -> None:
                if self._inbox.is_cancelled(request.job):
                    raise Cancelled("The job was cancelled.")
                if message := as_message(progress):
                    self._pipe.send(message)

            checkpoint = Path(request.checkpoint) if request.checkpoint else None
            with full_disk_named("what the job keeps of its latents"):
                engine = self._loaded(settings, Path(request.weights), len(clip))
                engine.generate(clip, references, settings, on_progress, checkpoint, request.drawn)
        except Cancelled as error:
            return Failed(error.to_json())
        except UnderstudyError as error:
            logger.exception("job %s failed", request.job)
            return Failed(error.to_json())
        except MemoryError:
            logger.exception("job %s failed", request.job)
            return Failed(OutOfMemory("The memory of this computer is used up.").to_json())
        except Exception as error:  # whatever a model may raise: it ends the job, not the worker
            logger.exception("job %s failed", request.job)
            return Failed(JobFailed(f"Drawing failed: {type(error).__name__}: {error}").to_json())
        return Finished()

    def _loaded(self, settings: GenerationSettings, weights: Path, frames: int) -> Engine:
        """The engine that the settings ask for, of which there is memory enough for such a clip. Raises `OutOfMemory`."""
        from ..core.engines import memory, placement

        wanted = settings.engine, Runtime.of(settings)
        spec = catalog.find(settings.engine)
        if self._held != wanted:
            self._engine = self._held = None
            gc.collect()  # give its memory back before the next one takes its own
        auto, free = placement.fastest(self._device), memory.free_bytes(self._device)
        spec.require_memory(settings, frames, free, auto, loaded=self._engine is not None)
        if self._engine is None:
            engine = catalog.create(settings.engine)
            with memory.shortage_named(spec.title):
                engine.load(self._device, spec.folder(weights), wanted[1])
            self._engine, self._held = engine, wanted
        return self._engine


def read_reference(path: Path) -> Reference:
    data = path.read_bytes()
    return Reference(decode_reference(data, path.name), decode_matte(data), pose_in(data))


def as_message(progress: Progress) -> Message | None:
    """What the server is told of it; None for what only serves to notice a cancel."""
    match progress:
        case Working():
            return None
        case StepDone(step, steps):
            return Step(step, steps)
        case Noted(text):
            return Note(text)
        case PreviewReady(step, image):
            return Preview(*_size(image), image.tobytes(), step)
        case FrameReady(index, image):
            return Frame(*_size(image), image.tobytes(), index)


def _size(image) -> tuple[int, int]:
    height, width, _ = image.shape
    return width, height


if __name__ == "__main__":
    main()
