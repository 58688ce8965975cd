"""MusePose (TMElyralab 2024): https://github.com/TMElyralab/MusePose. AnimateAnyone's networks, for longer windows."""

from __future__ import annotations

from ..diffusion.sd15.config import TemporalConfig
from .animate_anyone import SCHEDULER, AnimateAnyoneEngine
from .catalog import CATALOG
from .clip_diffusion import Published


def create() -> MusePoseEngine:
    return MusePoseEngine()


class MusePoseEngine(AnimateAnyoneEngine):
    spec = CATALOG["musepose"]
    published = Published({**SCHEDULER, "beta_schedule": "scaled_linear"}, TemporalConfig(positions=128))
    guiders = (("musepose", "pose_guider"),)
