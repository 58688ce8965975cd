"""What threads tell Blender's main thread, over a `SimpleQueue`. Frozen values only; the session's timer reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InvalidRequest, ServerStartFailed, UnderstudyError
from ..core.protocol import EngineTraits, GenerationSettings, MemoryNeeds
from .record import TakeRecord


@dataclass(frozen=True, kw_only=True)
class EngineInfo(EngineTraits):
    """What the panel needs to know of an engine that the server offers.

    `presets` are the settings that each begins with, "exact" as published; `lacking` says which of its weights are not there.
    """

    presets: Mapping[str, GenerationSettings]
    lacking: tuple[str, ...]

    def can_choose(self, name: str) -> bool:
        """Whether there is a choice of a setting."""
        return bool(self.schedulers) if name == "scheduler" else name not in self.fixed

    def refuses(self, name: str, value: object) -> bool:
        """Whether a setting can be anything but this."""
        if name == "scheduler":
            return value not in ("", *self.schedulers)
        return name in self.fixed and value != getattr(self.presets["exact"], name)

    @classmethod
    def from_json(cls, data: dict) -> EngineInfo:
        """Raises `ServerStartFailed` where a server of another version tells of an engine in another way."""
        try:
            own = {name: data[name] for name in cls.__dataclass_fields__}
            presets = {name: GenerationSettings.from_json(settings) for name, settings in data["presets"].items()}
            lists = {name: tuple(data[name]) for name in ("lacking", "fixed", "schedulers")}
            return cls(**own | lists | {"memory": MemoryNeeds(**data["memory"]), "presets": presets})
        except (LookupError, TypeError, AttributeError, InvalidRequest) as error:
            raise ServerStartFailed(
                f"The server describes its engines in another way than this add-on reads ({type(error).__name__}: {error}).",
                "Stop the server and start it again; where it is on another computer, use the same version on both.",
            ) from error


@dataclass(frozen=True)
class ServerStarting:
    pass


@dataclass(frozen=True)
class ServerFound:
    """A server answers. `device` is what its worker computes on, `precision` what in by itself, "" while that is not known."""

    url: str
    device: str
    precision: str
    engines: tuple[EngineInfo, ...]


@dataclass(frozen=True)
class ServerStopped:
    pass


@dataclass(frozen=True)
class ServerFailed:
    error: UnderstudyError


@dataclass(frozen=True)
class Submitting:
    """The server answers, and the clip is on its way to it."""


@dataclass(frozen=True)
class Submitted:
    """The server has the job."""

    record: TakeRecord


@dataclass(frozen=True)
class Queued:
    position: int


@dataclass(frozen=True)
class Started:
    device: str


@dataclass(frozen=True)
class Noted:
    """Something that people should know of how the job goes."""

    text: str


@dataclass(frozen=True)
class StepDone:
    """Denoising step `step` of `steps`; `eta` seconds are left for the whole job, None while that is not known."""

    step: int
    steps: int
    eta: float | None


@dataclass(frozen=True)
class PreviewSaved:
    path: Path


@dataclass(frozen=True)
class FrameSaved:
    """`done` of `total` frames are on this computer."""

    done: int
    total: int
    eta: float | None


@dataclass(frozen=True)
class Reconnecting:
    reason: str


@dataclass(frozen=True)
class Finished:
    """Every frame is on this computer."""

    record: TakeRecord
    frames: tuple[Path, ...]


@dataclass(frozen=True)
class Failed:
    error: UnderstudyError


@dataclass(frozen=True)
class EnvironmentProgress:
    """Stage `stage` of `stages` of making the server's environment, and the last line that its installer wrote."""

    stage: int
    stages: int
    title: str
    line: str


@dataclass(frozen=True)
class EnvironmentReady:
    python: Path
    description: str


@dataclass(frozen=True)
class EnvironmentFailed:
    error: UnderstudyError


Message = (
    ServerStarting | ServerFound | ServerStopped | ServerFailed
    | Submitting | Submitted | Queued | Started | Noted | StepDone | PreviewSaved | FrameSaved | Reconnecting
    | Finished | Failed | EnvironmentProgress | EnvironmentReady | EnvironmentFailed
)  # fmt: skip
Post = Callable[[Message], None]
