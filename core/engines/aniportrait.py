"""AniPortrait (Wei 2024): https://github.com/Zejun-Yang/AniPortrait. AnimateAnyone's networks, for faces."""

from __future__ import annotations

from ..diffusion.sd15.guiders import PyramidGuider
from .animate_anyone import AnimateAnyoneEngine
from .catalog import CATALOG


def create() -> AniPortraitEngine:
    return AniPortraitEngine()


class AniPortraitEngine(AnimateAnyoneEngine):
    spec = CATALOG["aniportrait"]
    guiders = (("face", "pose_guider"),)
    guider_type = PyramidGuider
    guides_windows = True
