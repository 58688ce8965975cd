"""What every engine does, and what it tells while it works. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..pose.clip import PoseClip
from ..protocol import GenerationSettings
from .catalog import EngineSpec


@dataclass(frozen=True)
class StepDone:
    """Denoising step `step` of `steps` (from 1) is done over the whole clip."""

    step: int
    steps: int


@dataclass(frozen=True)
class Working:
    """Still within a step: a chance to cancel. On a long clip a step takes many windows."""


@dataclass(frozen=True)
class Noted:
    """What people should know of how the job goes: one sentence without its full stop."""

    text: str


@dataclass(frozen=True)
class PreviewReady:
    """A rough picture, uint8 [H, W, 3] RGB, of how the clip looks after `step`."""

    step: int
    image: np.ndarray


@dataclass(frozen=True)
class FrameReady:
    """Frame `index` (from 0), final, uint8 [H, W, 3] RGB, or [H, W, 4] RGBA where the background is transparent.

    Frames come in order, each once, from the first that a job is asked for; some may come before the last step.
    """

    index: int
    image: np.ndarray


Progress = StepDone | Working | Noted | PreviewReady | FrameReady
OnProgress = Callable[[Progress], None]
"""Called after every window, step and frame, in order. It may raise `Cancelled`, and the engine lets that through at once."""


@dataclass(frozen=True)
class Runtime:
    """How the networks are kept and run: as `GenerationSettings` has these. Another one needs another `Engine.load`.

    plain: by the kernels and in the layout that share the most last bits with the published code's runs; only to compare.
    """

    precision: str = "auto"
    attention: str = "auto"
    offload: bool = False
    compile: bool = False
    plain: bool = False

    @classmethod
    def of(cls, settings: GenerationSettings) -> Runtime:
        return cls(settings.precision, settings.attention, settings.offload, settings.compile)


@dataclass(frozen=True)
class Reference:
    """A picture of one person, and what is known of it besides.

    picture  uint8 [H, W, 3] RGB; what was transparent is white
    matte    uint8 [H, W]: what of it is the person, where the picture has transparent parts
    pose     one frame of that person alone, as the picture's camera saw it, where Blender drew the picture
    """

    picture: np.ndarray
    matte: np.ndarray | None = None
    pose: PoseClip | None = None


class Engine(Protocol):
    spec: EngineSpec

    def load(self, device: str, weights: Path | None = None, runtime: Runtime = Runtime()) -> None:
        """Read the files of `spec.files` in the folder `weights` onto `device` ("cpu", "cuda", "mps").

        `weights` may be None for an engine without files. Raises `InvalidWeights`, `OutOfMemory`.
        """

    def generate(
        self,
        clip: PoseClip,
        references: Sequence[Reference],
        settings: GenerationSettings,
        on_progress: OnProgress,
        checkpoint: Path | None = None,
        drawn: int = 0,
    ) -> None:
        """Draw every frame of `clip`; the frames are told through `on_progress`, not returned.

        `references` are one a person of the clip, in its order. With `checkpoint`, the latents are kept in that file after
        each step, and a file found there (of this very job) is gone on from; the first `drawn` frames, told before, are then
        not drawn again as far as that saves work. Same inputs, seed and device: the same bytes.
        Raises `InvalidRequest`, `OutOfMemory`.
        """
