"""A job that runs out of memory steps down once by itself, in a fresh worker, and says so."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from ..core.engines import catalog
from ..core.errors import NotEnoughMemory, OutOfMemory
from ..core.protocol import GenerationSettings
from .messages import Frame, Generate
from .pictures import to_image
from .worker import Progress, Worker

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SteppedDown:
    """The job begins anew with these settings; `text` says so to people. Its frames stay of the size asked for."""

    settings: GenerationSettings
    text: str


def generate(worker: Worker, request: Generate, frames: int, on_progress: Callable[[Progress | SteppedDown], None]) -> None:
    """`Worker.generate` for a clip of `frames`, and once more with smaller settings when memory runs out within.

    Raises what that raises; `OutOfMemory` where there is nothing smaller, where that too is too much, where frames have been
    drawn already, and `NotEnoughMemory` where it was known before the job began.
    """
    asked = GenerationSettings.from_json(request.settings)
    drawn = False

    def watch(progress: Progress) -> None:
        nonlocal drawn
        drawn = drawn or isinstance(progress, Frame)
        on_progress(progress)

    try:
        worker.generate(request, watch)
    except NotEnoughMemory:
        raise
    except OutOfMemory as error:
        smaller = catalog.find(asked.engine).step_down(asked, frames)
        if smaller is None or drawn:
            raise
        logger.warning("job %s: %s", request.job, error)
    else:
        return
    on_progress(SteppedDown(smaller, _described(asked, smaller)))
    worker.generate(
        dataclasses.replace(request, settings=smaller.to_json()), lambda progress: on_progress(_in_size(progress, asked))
    )


def _described(asked: GenerationSettings, smaller: GenerationSettings) -> str:
    if smaller.context_frames != asked.context_frames:
        return f"Out of memory: drawing again with a window of {smaller.context_frames} frames"
    return f"Out of memory: drawing again at {smaller.width} x {smaller.height}, scaled up"


def _in_size(progress: Progress, asked: GenerationSettings) -> Progress:
    """A frame in the size that was asked for; anything else as it is."""
    size = asked.width, asked.height
    if not isinstance(progress, Frame) or (progress.width, progress.height) == size:
        return progress
    picture = to_image(progress.width, progress.height, progress.pixels)
    return Frame(*size, picture.resize(size, Image.Resampling.LANCZOS).tobytes(), progress.index)
