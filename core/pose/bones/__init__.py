"""Bone names of the rig families: one family a file, data only."""

from __future__ import annotations

from .auto_rig_pro import AUTO_RIG_PRO
from .bandai import BANDAI
from .biped import BIPED, SOURCE
from .character_creator import CHARACTER_CREATOR
from .cmu import CMU
from .daz import GENESIS_8, GENESIS_9
from .family import Family
from .lafan1 import LAFAN1
from .makehuman import MAKEHUMAN
from .mixamo import MIXAMO
from .mmd import MMD, MMD_TOOLS
from .rigify import RIGIFY, RIGIFY_METARIG
from .rokoko import ROKOKO
from .smpl import SMPL, SMPL_X
from .unity import UNITY
from .unreal import UNREAL, UNREAL_5
from .vrm import VRM_1
from .vroid import VROID, VROID_RENAMED
from .xsens import XSENS_BVH, XSENS_FBX

# Of families that fit equally well, the first is taken.
FAMILIES: tuple[Family, ...] = (
    RIGIFY, RIGIFY_METARIG, MIXAMO, UNREAL_5, UNREAL, VRM_1, VROID, VROID_RENAMED, UNITY, AUTO_RIG_PRO, MAKEHUMAN,
    CHARACTER_CREATOR, GENESIS_8, GENESIS_9, SMPL_X, SMPL, CMU, LAFAN1, BANDAI, ROKOKO, XSENS_BVH, XSENS_FBX, BIPED, SOURCE,
    MMD, MMD_TOOLS,
)  # fmt: skip
