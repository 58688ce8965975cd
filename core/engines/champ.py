"""Champ (Zhu 2024): https://github.com/fudan-generative-vision/champ. AnimateAnyone's networks, guided by a body's surface."""

from __future__ import annotations

from ..diffusion.sd15.guiders import GuidanceEncoder
from .animate_anyone import AnimateAnyoneEngine
from .catalog import CATALOG


def create() -> ChampEngine:
    return ChampEngine()


class ChampEngine(AnimateAnyoneEngine):
    spec = CATALOG["champ"]
    guiders = (
        ("depth", "guidance_encoder_depth"),
        ("normal", "guidance_encoder_normal"),
        ("semantic", "guidance_encoder_semantic_map"),
        ("dwpose", "guidance_encoder_dwpose"),
    )
    guider_type = GuidanceEncoder
