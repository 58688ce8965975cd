"""The running take, as the main thread sees it: sampled in slices, handed to the server, imported when it is done."""

from __future__ import annotations

import contextlib
import enum
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import bpy

from ..core.errors import Cancelled, JobFailed, PoseError, ServerError, UnderstudyError
from . import takes, timer
from .generation import Generation, GenerationPlan
from .messages import (
    Failed,
    Finished,
    FrameSaved,
    Message,
    Noted,
    PreviewSaved,
    Queued,
    Reconnecting,
    ServerStarting,
    Started,
    StepDone,
    Submitted,
    Submitting,
)
from .plates import find_plate
from .record import TakeRecord
from .sample_options import SampleOptions
from .sampling import Sampling
from .sequencer import show
from .server_control import server
from .server_process import Server

SLICE_SECONDS = 0.004  # of sampling in one tick, which may be exceeded by one frame: 10 ms in all is our promise
PAUSE = 0.05


class Phase(enum.StrEnum):
    IDLE = "idle"
    SAMPLING = "sampling"
    SUBMITTING = "submitting"
    RUNNING = "running"
    CANCELLING = "cancelling"


@dataclass(frozen=True)
class TakePlan:
    """What one press of Generate asks for. `previews` is a folder for pictures that are of no use afterwards."""

    sampling: SampleOptions
    generation: GenerationPlan
    server: Server
    previews: Path


@dataclass
class Progress:
    """How far the running take is, for the panel."""

    note: str = ""
    warning: str = ""
    sampled: float = 0.0
    step: int = 0
    steps: int = 0
    frame: int = 0
    frames: int = 0
    eta: float | None = None
    eta_told: float = field(default_factory=time.monotonic)

    @property
    def fraction(self) -> float:
        """0 to 1: sampling is a tenth of the bar, the denoising steps and the frames are the rest."""
        if not self.steps:
            return 0.1 * self.sampled
        return 0.1 + 0.8 * self.step / self.steps + 0.1 * self.frame / max(self.frames, 1)

    @property
    def text(self) -> str:
        """`step 7/12 · frame 3/48 · 41 s left`, or what is waited for."""
        if not self.steps:
            return self.note
        parts = [f"step {self.step}/{self.steps}"]
        if self.frames:  # of a take that is fetched, not known before its first one comes
            parts.append(f"frame {self.frame}/{self.frames}")
        if self.eta is not None:
            parts.append(f"{max(0.0, self.eta - (time.monotonic() - self.eta_told)):.0f} s left")
        return " · ".join([*parts, *filter(None, (self.note, self.warning))])


class Session:
    """At most one take at a time.

    error         what the last take ended with, None after a good one
    outcome       what the last take became, for people
    folder        where the last take's files are
    preview       the latest preview picture
    longest_tick  seconds that the longest call on Blender's main thread took, by phase; without "frame_set", Blender's own
                  work of going to a frame, which is told apart
    """

    def __init__(self):
        self.phase = Phase.IDLE
        self.progress = Progress()
        self.error: UnderstudyError | None = None
        self.outcome = ""
        self.folder: Path | None = None
        self.preview: Path | None = None
        self.longest_tick: dict[str, float] = {}
        self._scene = 0  # its session_uid: an undo or another file makes references to scenes invalid
        self._sampling: Sampling | None = None
        self._generation: Generation | None = None
        self._importing: Iterator[None] | None = None
        self._inbox: SimpleQueue[Message] = SimpleQueue()

    @property
    def busy(self) -> bool:
        return self.phase is not Phase.IDLE

    def is_of(self, scene: bpy.types.Scene) -> bool:
        """Whether the running take, or else the last one, is this scene's."""
        return scene.session_uid == self._scene

    def error_for(self, scene: bpy.types.Scene) -> UnderstudyError | None:
        """What to say in `scene` of how the last take failed: in its own, and in any where its own is not open any more."""
        return self.error if self.is_of(scene) or not self._find_scene() else None

    def refuse(self, scene: bpy.types.Scene, error: UnderstudyError) -> None:
        """Remember why a take of `scene` did not begin."""
        self._scene, self.error, self.preview, self.outcome = scene.session_uid, error, None, ""

    def start(self, scene: bpy.types.Scene, plan: TakePlan) -> None:
        """Begin a take of `scene`. Raises `PoseError` for what the scene lacks; later errors end up in `error`."""
        began = time.perf_counter()
        sampling = Sampling(scene, plan.sampling)
        self._begin(scene, Phase.SAMPLING, Progress(note="Sampling the scene", frames=len(plan.sampling.frames)))
        self._sampling = sampling
        self._generation = Generation(plan.server, plan.previews, self._inbox.put)
        self._generation.start(plan.generation)
        self.longest_tick["starting"] = time.perf_counter() - began

    def resume(self, scene: bpy.types.Scene, record: TakeRecord, server: Server, previews: Path) -> None:
        """Fetch a take of `scene` that the server was asked for before. Errors end up in `error`."""
        self._begin(scene, Phase.RUNNING, Progress(note="Looking for the take"))
        self._generation = Generation(server, previews, self._inbox.put)
        self._generation.resume(record)

    def _begin(self, scene: bpy.types.Scene, phase: Phase, progress: Progress) -> None:
        self._scene, self.phase, self.progress = scene.session_uid, phase, progress
        self.error, self.preview, self.folder, self.outcome = None, None, None, ""
        self.longest_tick, self._importing = {}, None
        self._inbox = SimpleQueue()  # a new one: what threads of an earlier take still say reaches nobody
        timer.wake(self.tick)

    def cancel(self) -> None:
        """End the take; at once while it is sampled, else within a denoising step."""
        if self.phase is Phase.SAMPLING:
            self._end(Cancelled("The take was cancelled."))
        else:
            self._generation.cancel()
            self.phase = Phase.CANCELLING
            self.progress.note = "Cancelling"

    def abandon(self) -> None:
        """Let go of the take without waiting for anything: the add-on is being unregistered, perhaps as Blender ends.

        What the server draws, it draws to the end: the scene remembers how to fetch it. What it does not yet, is cancelled.
        """
        if self.phase is Phase.RUNNING:
            self._generation.detach()
        elif self.busy:
            self.cancel()
        self.phase = Phase.IDLE

    def tick(self) -> float | None:
        """Do a little of the take's work. Seconds until the next call; None when the take has ended."""
        if not self.busy:
            return None
        sampling, began = self._sampling, time.perf_counter()
        doing = "importing" if self._importing else self.phase.value
        evaluated = sampling.evaluation_seconds if sampling else 0.0
        try:
            self._advance()
        except UnderstudyError as error:
            self._end(error)
        except ReferenceError as error:  # an undo, or another file
            self._end(PoseError(f"The scene was changed while it was sampled ({error}).", "Generate again."))
        except Exception as error:  # let through, it would stop the timer and leave the take running for ever
            traceback.print_exc()
            what = f"The take failed: {type(error).__name__}: {error}."
            self._end(JobFailed(what, "Please report it, with Blender's console."))
        blenders = sampling.evaluation_seconds - evaluated if sampling else 0.0
        self._note(doing, time.perf_counter() - began - blenders)
        if sampling:
            self._note("frame_set", blenders)
        if not self.busy:
            return None
        return 0.0 if self.phase is Phase.SAMPLING or self._importing else PAUSE

    def _note(self, doing: str, seconds: float) -> None:
        self.longest_tick[doing] = max(seconds, self.longest_tick.get(doing, 0.0))

    def _advance(self) -> None:
        if self._importing:
            next(self._importing, None)
            return
        changed = timer.drain(self._inbox, self._handle)
        if self.phase is Phase.SAMPLING:
            if self.progress.sampled == 1.0:  # in a tick of its own: the last slice has used its time up
                self._deliver()
            else:
                self._sampling.advance(SLICE_SECONDS)
                self.progress.sampled = self._sampling.fraction
            changed = True
        if changed:
            timer.redraw_panels()

    def _deliver(self) -> None:
        samples = self._sampling.finish()
        self._sampling.restore()
        self._sampling = None
        self.phase = Phase.SUBMITTING
        self._generation.deliver(samples)

    def _handle(self, message: Message) -> None:
        progress = self.progress
        match message:
            case ServerStarting():
                progress.note = "Starting the server"
            case Submitting():
                progress.note = "Sending the poses to the server"
                server.forget()
            case Submitted(record):
                self.folder, progress.note = record.folder, "Waiting for the server"
                self._remember(record.to_text())
                self._to_running()
            case Queued(position):
                progress.note = f"Waiting: {position} before it" if position else "Waiting for the model"
            case Started(device):
                progress.note = f"The model starts on {device}"
            case Noted(text):
                progress.warning = text
            case StepDone(step, steps, eta):
                progress.step, progress.steps, progress.note = step, steps, ""
                progress.eta, progress.eta_told = eta, time.monotonic()
            case PreviewSaved(path):
                self.preview = path
            case FrameSaved(done, total, eta):
                progress.frame, progress.frames = done, total
                progress.eta, progress.eta_told = eta, time.monotonic()
            case Reconnecting(reason):
                progress.note = f"Connecting again: {reason}"
            case Finished():
                self._importing = self._import(message)
            case Failed(error):
                raise error

    def _to_running(self) -> None:
        if self.phase is Phase.SUBMITTING:  # and not where it is being cancelled
            self.phase = Phase.RUNNING

    def _import(self, finished: Finished) -> Iterator[None]:
        """Step by step: the strip, and the undo step, take Blender some milliseconds each."""
        record = finished.record
        scene = self._find_scene()
        if scene is None:
            raise JobFailed(
                "The scene of this take is not open any more.",
                f"Its frames are kept: add them in a sequencer with Add > Image/Sequence from {record.folder}.",
            )
        strip = takes.import_take(scene, record, finished.frames)
        last = record.first_frame + len(finished.frames) - 1
        name = strip.name
        frames = f"frames {record.first_frame} to {last}" if last > record.first_frame else f"frame {last}"
        outcome = f"{name} is in the Video Sequencer: channel {strip.channel}, {frames}"
        if record.request.plate and not find_plate(scene, record.request.plate):
            outcome += f"; its plate, {record.request.plate!r}, is not in the sequencer any more"
        show(scene)
        self._remember("")  # before the undo step, which would bring it back
        record.forget()
        self._generation.delete_job()
        yield
        bpy.ops.ed.undo_push(message=f"Import {name}")
        self.outcome = outcome
        self._end(None)

    def _find_scene(self) -> bpy.types.Scene | None:
        return next((scene for scene in bpy.data.scenes if scene.session_uid == self._scene), None)

    def _remember(self, record: str) -> None:
        """Keep in the scene how to fetch the take, or "" where there is nothing left to fetch."""
        if scene := self._find_scene():
            scene.understudy.unfinished = record

    def _end(self, error: UnderstudyError | None) -> None:
        if self.phase is Phase.SAMPLING:
            self._generation.cancel()
        elif error and not isinstance(error, ServerError):  # without a server, the job is still there
            self._remember("")
        if self._sampling:
            with contextlib.suppress(ReferenceError):  # the scene itself is gone
                self._sampling.restore()
        self._sampling = self._generation = self._importing = None
        self.error, self.phase = error, Phase.IDLE
        if error:
            self.preview = None  # of a take that is not there
        timer.redraw_panels()


session = Session()
