"""MusePose (TMElyralab 2024): https://github.com/TMElyralab/MusePose. AnimateAnyone's networks, for longer windows."""

from __future__ import annotations

from ..diffusion.sd15.config import TemporalConfig
from ..protocol import GenerationSettings
from .animate_anyone import SCHEDULER, AnimateAnyoneEngine
from .catalog import CATALOG
from .clip_diffusion import Published


def create() -> MusePoseEngine:
    return MusePoseEngine()


class MusePoseEngine(AnimateAnyoneEngine):
    spec = CATALOG["musepose"]
    published = Published({**SCHEDULER, "beta_schedule": "scaled_linear"}, TemporalConfig(positions=128))
    guiders = (("musepose", "pose_guider"),)

    def lengthened(self, frames: int, settings: GenerationSettings) -> int:
        """So that the last window ends with the clip."""
        return frames + (settings.context_overlap - frames) % (settings.context_frames - settings.context_overlap)
