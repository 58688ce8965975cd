"""The running take, as the main thread sees it: sampled in slices, handed to the server, imported when it is done."""

from __future__ import annotations

import contextlib
import enum
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import bpy

from ..core.errors import Cancelled, JobFailed, PoseError, UnderstudyError
from . import takes, timer
from .generation import Generation, GenerationPlan
from .messages import (
    Failed,
    Finished,
    FrameSaved,
    Message,
    PreviewSaved,
    Queued,
    Reconnecting,
    ServerStarting,
    Started,
    StepDone,
    Submitted,
    Submitting,
)
from .sampling import SampleOptions, Sampling
from .takes import Take

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
    """What one press of Generate asks for. `channel` 0 means the lowest free one."""

    sampling: SampleOptions
    generation: GenerationPlan
    channel: int


@dataclass
class Progress:
    """How far the running take is, for the panel."""

    note: str = ""
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
        parts = [f"step {self.step}/{self.steps}", f"frame {self.frame}/{self.frames}"]
        if self.eta is not None:
            parts.append(f"{max(0.0, self.eta - (time.monotonic() - self.eta_told)):.0f} s left")
        return " · ".join([*parts, self.note] if self.note else parts)


class Session:
    """At most one take at a time.

    error         what the last take ended with, None after a good one
    outcome       what the last take became, for people
    folder        where the last take's files are
    preview       the latest preview picture
    longest_tick  seconds that the longest call on Blender's main thread took, by phase
    """

    def __init__(self):
        self.phase = Phase.IDLE
        self.progress = Progress()
        self.error: UnderstudyError | None = None
        self.outcome = ""
        self.folder: Path | None = None
        self.preview: Path | None = None
        self.longest_tick: dict[str, float] = {}
        self._plan: TakePlan | None = None
        self._scene = 0  # its session_uid: an undo or another file makes references to scenes invalid
        self._sampling: Sampling | None = None
        self._generation: Generation | None = None
        self._take: Take | None = None
        self._inbox: SimpleQueue[Message] = SimpleQueue()

    @property
    def busy(self) -> bool:
        return self.phase is not Phase.IDLE

    def start(self, scene: bpy.types.Scene, plan: TakePlan) -> None:
        """Begin a take of `scene`. Raises `PoseError` for what the scene lacks; later errors end up in `error`."""
        self._sampling = Sampling(scene, plan.sampling)
        self._plan, self._scene, self._take = plan, scene.session_uid, None
        self.error, self.preview, self.folder, self.outcome = None, None, None, ""
        self.longest_tick = {}
        self.progress = Progress(note="Sampling the scene", frames=len(plan.sampling.frames))
        self.phase = Phase.SAMPLING
        self._inbox = SimpleQueue()  # a new one: what threads of an earlier take still say reaches nobody
        self._generation = Generation(plan.generation, self._inbox.put)
        self._generation.start()
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
        """Forget the take without waiting for anything; the add-on is being unregistered."""
        if self.busy:
            self.cancel()
            self.phase = Phase.IDLE

    def tick(self) -> float | None:
        """Do a little of the take's work. Seconds until the next call; None when the take has ended."""
        if not self.busy:
            return None
        phase, began = self.phase, time.perf_counter()
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
        seconds = time.perf_counter() - began
        doing = "importing" if self._take else phase.value
        self.longest_tick[doing] = max(seconds, self.longest_tick.get(doing, 0.0))
        if not self.busy:
            return None
        return 0.0 if self.phase is Phase.SAMPLING else PAUSE

    def _advance(self) -> None:
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
        clip = self._sampling.finish()
        self._sampling.restore()
        self._sampling = None
        self.phase = Phase.SUBMITTING
        self._generation.deliver(clip)

    def _handle(self, message: Message) -> None:
        progress = self.progress
        match message:
            case ServerStarting():
                progress.note = "Starting the server"
            case Submitting():
                progress.note = "Sending the poses to the server"
            case Submitted(_, folder):
                self.folder, progress.note = folder, "Waiting for the server"
                self._to_running()
            case Queued(position):
                progress.note = f"Waiting: {position} before it" if position else "Waiting for the model"
            case Started(device):
                progress.note = f"The model starts on {device}"
            case StepDone(step, steps, eta):
                progress.step, progress.steps, progress.note = step, steps, ""
                progress.eta, progress.eta_told = eta, time.monotonic()
            case PreviewSaved(path):
                self.preview = path
            case FrameSaved(done, total, path, eta):
                progress.frame, progress.frames = done, total
                progress.eta, progress.eta_told = eta, time.monotonic()
                self.preview = path
            case Reconnecting(reason):
                progress.note = f"Connecting again: {reason}"
            case Finished():
                self._import(message)
            case Failed(error):
                raise error

    def _to_running(self) -> None:
        if self.phase is Phase.SUBMITTING:  # and not where it is being cancelled
            self.phase = Phase.RUNNING

    def _import(self, finished: Finished) -> None:
        scene = next((scene for scene in bpy.data.scenes if scene.session_uid == self._scene), None)
        if scene is None:
            raise JobFailed(
                "The scene of this take is not open any more.",
                f"Its frames are kept: add them in a sequencer with Add > Image/Sequence from {finished.folder}.",
            )
        self._take = Take(
            request=self._plan.generation.request, job=finished.job, frames=finished.frames,
            first_frame=finished.first_frame, clip_digest=finished.clip_digest, channel=self._plan.channel,
        )  # fmt: skip
        strip = takes.import_take(scene, self._take)
        takes.show(scene)
        bpy.ops.ed.undo_push(message=f"Import {strip.name}")
        last = finished.first_frame + len(finished.frames) - 1
        self.outcome = f"{strip.name}: channel {strip.channel}, frames {finished.first_frame} to {last}"
        self._end(None)

    def _end(self, error: UnderstudyError | None) -> None:
        if self.phase is Phase.SAMPLING:
            self._generation.cancel()
        if self._sampling:
            with contextlib.suppress(ReferenceError):  # the scene itself is gone
                self._sampling.restore()
        self._sampling = self._generation = None
        self.error, self.phase = error, Phase.IDLE
        timer.redraw_panels()


session = Session()
