"""What Blender and the server say to each other: requests, jobs, events, as frozen dataclasses and JSON.

    POST   /v1/jobs                     multipart: request.json, clip.npz, reference-<person>.png; header Idempotency-Key
                                        -> 202 + Job
    GET    /v1/jobs                     -> {"jobs": [Job, ...]}, newest first
    GET    /v1/jobs/{id}                -> Job
    GET    /v1/jobs/{id}/events         -> SSE of Event; `id:` is Event.id; Last-Event-ID replays what came after it
    GET    /v1/jobs/{id}/frames/{n}     -> PNG; n counts from 0
    GET    /v1/jobs/{id}/preview        -> PNG, the latest preview picture
    DELETE /v1/jobs/{id}                -> Job; cancels a live job, deletes an ended one
    GET    /v1/engines                  -> {"engines": [EngineSpec as JSON, ...]}; "lacking" tells which weights are not there
    GET    /v1/health                   -> {"protocol": PROTOCOL, "version": ..., "weights": ..., "worker": ..., "device": ...,
                                        "precision": ...}; the last two are null until a worker has started

Every request carries `Authorization: Bearer <token>`. A refusal's body is `UnderstudyError.to_json()`.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from .errors import InvalidRequest

PROTOCOL = 2

MAX_REFERENCE_BYTES = 64 * 2**20
MAX_REFERENCE_PIXELS = 64_000_000
MAX_FRAMES = 100_000


class JobState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class EventKind(enum.StrEnum):
    """The kinds of event in a job's stream, and the keys of their `data`."""

    QUEUED = "queued"  # position
    STARTED = "started"  # engine, device, frames
    NOTE = "note"  # text: what people should know of how the job goes
    STEP = "step"  # step, steps, eta (seconds left for the whole job, or None)
    PREVIEW = "preview"  # step; the picture is at /preview
    FRAME = "frame"  # frame (from 0), frames, eta
    DONE = "done"  # frames, seconds
    FAILED = "failed"  # error, message, remedy
    CANCELLED = "cancelled"  # nothing

    @property
    def ends_stream(self) -> bool:
        return self in (EventKind.DONE, EventKind.FAILED, EventKind.CANCELLED)


@dataclass(frozen=True)
class GenerationSettings:
    """Everything that shapes a generation, beside the clip and the references. The defaults are the bundled engine's.

    `width` and `height` are pixels of the frames that come out. `preset` says which of the engine's own the settings began as:
    "exact" is as its authors published it. `scheduler` "" is the engine's own. `guidance` 1 means none; it is applied on the
    first `guidance_share` (0..1) of the steps. The temporal windows are `context_frames` long, share `context_overlap` frames,
    are laid out and fused as `core.diffusion.windows` has it. `precision` "auto" is the fastest that the device has; "float8"
    is kept so, and computed in sixteen bits. `attention` is the kernel: see `core.diffusion.attention`. `offload` keeps the
    weights in the computer's own memory until they are needed. `decoder` "tiny" draws the frames roughly and fast.
    `background` is what stands behind the people, for engines that draw them apart from it: "reference" (what is behind the
    first person in the reference), "transparent", or a colour as "#rrggbb".
    """

    engine: str = "understudy"
    width: int = 384
    height: int = 512
    steps: int = 2
    guidance: float = 1.0
    seed: int = 0
    prompt: str = ""
    context_frames: int = 12
    context_overlap: int = 4
    context_layout: str = "aligned"
    context_stride: int = 1
    context_fusion: str = "triangle"
    preset: str = "exact"
    scheduler: str = ""
    guidance_share: float = 1.0
    precision: str = "auto"
    attention: str = "auto"
    offload: bool = False
    compile: bool = False
    decoder: str = "full"
    background: str = "reference"

    def __post_init__(self):
        def require(condition: bool, what: str) -> None:
            if not condition:
                raise InvalidRequest(f"Invalid settings: {what}.")

        for name, kind in SETTING_TYPES.items():
            value = getattr(self, name)
            if kind is float and type(value) is int:
                object.__setattr__(self, name, float(value))
            elif type(value) is not kind:
                raise InvalidRequest(f"Invalid settings: {name} is {value!r}, not of type {kind.__name__}.")
        for name in ("width", "height"):
            size = getattr(self, name)
            require(16 <= size <= 8192, f"{name} {size} is not between 16 and 8192")
        require(1 <= self.steps <= 1000, f"steps {self.steps} is not between 1 and 1000")
        guided = math.isfinite(self.guidance) and 0 <= self.guidance <= 100
        require(guided, f"guidance {self.guidance} is not between 0 and 100")
        require(0 <= self.seed < 2**32, f"seed {self.seed} is not between 0 and 4294967295")
        require(len(self.prompt) <= 10_000, "the prompt is longer than 10,000 characters")
        require(1 <= self.context_frames <= 1024, f"context_frames {self.context_frames} is not between 1 and 1024")
        require(
            0 <= self.context_overlap < self.context_frames,
            f"context_overlap {self.context_overlap} is not between 0 and context_frames - 1",
        )
        require(1 <= self.context_stride <= 16, f"context_stride {self.context_stride} is not between 1 and 16")
        strided = self.context_layout != "aligned" or self.context_stride == 1
        require(strided, "aligned windows have no context_stride")
        known = self.background in BACKGROUNDS or re.fullmatch("#[0-9a-fA-F]{6}", self.background)
        require(bool(known), f"background {self.background!r} is none of {', '.join(BACKGROUNDS)}, #rrggbb")
        require(0 <= self.guidance_share <= 1, f"guidance_share {self.guidance_share} is not between 0 and 1")
        for name, choices in SETTING_CHOICES.items():
            value = getattr(self, name)
            require(value in choices, f"{name} {value!r} is none of {', '.join(choices)}")

    @property
    def guided_steps(self) -> int:
        """How many of the steps are guided, from the first."""
        return 0 if self.guidance == 1 else math.ceil(self.guidance_share * self.steps)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> GenerationSettings:
        return cls(**_known_fields(cls, data))


SETTING_TYPES: dict[str, type] = {
    "engine": str, "width": int, "height": int, "steps": int, "guidance": float, "seed": int, "prompt": str,
    "context_frames": int, "context_overlap": int, "context_layout": str, "context_stride": int, "context_fusion": str,
    "preset": str, "scheduler": str, "guidance_share": float, "precision": str, "attention": str,
    "offload": bool, "compile": bool, "decoder": str, "background": str,
}  # fmt: skip
BACKGROUNDS = ("reference", "transparent")
SETTING_CHOICES: dict[str, tuple[str, ...]] = {
    "context_layout": ("aligned", "loop", "open"),
    "context_fusion": ("triangle", "flat"),
    "preset": ("exact", "fast", "draft"),
    "precision": ("auto", "float32", "bfloat16", "float16", "float8"),
    "attention": ("auto", "matmul", "sdpa", "xformers"),
    "decoder": ("full", "tiny"),
}


@dataclass(frozen=True)
class MemoryNeeds:
    """What an engine takes of a device's memory, roughly and rather too little: the number of its networks' parameters, and the
    bytes of float32 that are alive at once for each pixel of each frame: of a window in one pass, and of frames being decoded.
    """

    parameters: int
    window: float
    decoding: float

    def weights_bytes(self, settings: GenerationSettings, auto: str = "bfloat16") -> int:
        """Of the weights on the device. `auto` is the precision that the device prefers."""
        kept, _ = PRECISION_BYTES[auto if settings.precision == "auto" else settings.precision]
        return int(self.parameters * kept * (OFFLOADED_SHARE if settings.offload else 1))

    def working_bytes(self, settings: GenerationSettings, frames: int, auto: str = "bfloat16") -> int:
        """Beside the weights, for a clip of `frames`: a window's, or a batch of frames' that is decoded."""
        _, computed = PRECISION_BYTES[auto if settings.precision == "auto" else settings.precision]
        pixels = settings.width * settings.height
        window = self.window * min(frames, settings.context_frames)
        decoding = self.decoding * min(frames, decode_batch(pixels))
        return int(max(window, decoding) * pixels * computed / 4)


@dataclass(frozen=True, kw_only=True)
class EngineTraits:
    """What of an engine both the server and whoever asks it for frames go by.

    `fixed` names the settings that it has no choice of, `schedulers` those that it can be told to take. As published, clips
    are lengthened to multiples of `frames_multiple`, or, with `whole_windows`, until the last window ends with them: see
    `denoised`.
    """

    name: str
    title: str
    licence: str
    memory: MemoryNeeds
    max_pixels: int
    reads_prompt: bool
    max_people: int
    fixed: tuple[str, ...] = ()
    schedulers: tuple[str, ...] = ()
    frames_multiple: int = 1
    whole_windows: bool = False

    def denoised(self, frames: int, settings: GenerationSettings) -> int:
        """How many frames are denoised for a clip of `frames`: more, where windows are laid out as published, if its authors
        repeat the last frame so that their windows fit."""
        if settings.context_layout == "aligned":
            return frames
        if self.whole_windows:
            return frames + (settings.context_overlap - frames) % (settings.context_frames - settings.context_overlap)
        return -(-frames // self.frames_multiple) * self.frames_multiple

    def memory_bytes(self, settings: GenerationSettings, frames: int, auto: str = "bfloat16", loaded: bool = False) -> int:
        """What a clip of `frames` takes of the device's memory. `auto` is the precision that the device prefers; `loaded`: the
        weights are there already."""
        weights = 0 if loaded else self.memory.weights_bytes(settings, auto)
        return weights + self.memory.working_bytes(settings, self.denoised(frames, settings), auto)


PRECISION_BYTES = {"float32": (4, 4), "bfloat16": (2, 2), "float16": (2, 2), "float8": (1, 2)}  # kept, computed with
OFFLOADED_SHARE = 0.1  # of the weights is on the device at a time
DECODE_BATCH = 8  # frames


def decode_batch(pixels: int) -> int:
    """How many frames of so many pixels are decoded at a time: large ones one by one, which takes the least memory."""
    return max(1, min(DECODE_BATCH, 2**20 // pixels))


@dataclass(frozen=True)
class JobRequest:
    """`request.json`: the settings, and what is only kept: the take's name, and that of the plate it is to be laid over, or "".

    People and frames are in the clip.
    """

    settings: GenerationSettings
    name: str = "take"
    plate: str = ""

    def __post_init__(self):
        if not isinstance(self.name, str) or not 1 <= len(self.name) <= 200:
            raise InvalidRequest("The take's name must be 1 to 200 characters long.")
        if not isinstance(self.plate, str) or len(self.plate) > 200:
            raise InvalidRequest("The plate's name must be at most 200 characters long.")

    def to_json(self) -> dict[str, Any]:
        return {"settings": self.settings.to_json(), "name": self.name, "plate": self.plate}

    @classmethod
    def from_json(cls, data: Any) -> JobRequest:
        fields = _known_fields(cls, data)
        if "settings" not in fields:
            raise InvalidRequest("The request lacks `settings`.")
        return cls(settings=GenerationSettings.from_json(fields.pop("settings")), **fields)


@dataclass(frozen=True)
class Job:
    """One job as the server reports it. Times are seconds since the epoch; `error` is `UnderstudyError.to_json()`."""

    id: str
    state: JobState
    request: JobRequest
    frames_total: int
    frames_done: int = 0
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    error: dict[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "state": self.state.value, "request": self.request.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Job:
        fields = _known_fields(cls, data)
        return cls(**{**fields, "state": JobState(fields["state"]), "request": JobRequest.from_json(fields["request"])})


@dataclass(frozen=True)
class Event:
    """One entry of a job's stream. `id` counts from 1 without gaps within the job."""

    id: int
    job: str
    kind: EventKind
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "job": self.job, "kind": self.kind.value, "data": self.data}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Event:
        fields = _known_fields(cls, data)
        return cls(**{**fields, "kind": EventKind(fields["kind"])})


def parse_json(text: str | bytes) -> Any:
    """JSON from outside: anything malformed, or nested beyond what the parser can follow, is an `InvalidRequest`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The request is not valid JSON ({type(error).__name__}).") from error


def _known_fields(cls: type, data: Any) -> dict[str, Any]:
    """The fields of `cls` in `data`; a field that `cls` does not have is refused by name."""
    if not isinstance(data, dict):
        raise InvalidRequest(f"{cls.__name__} must be a JSON object.")
    unknown = set(data) - {entry.name for entry in dataclasses.fields(cls)}
    if unknown:
        raise InvalidRequest(f"{cls.__name__} does not know {', '.join(sorted(map(str, unknown)))}.")
    return dict(data)
