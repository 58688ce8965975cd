"""Bone names of the rig families: one family a file, data only."""

from __future__ import annotations

from .cmu import CMU
from .family import Family
from .mixamo import MIXAMO
from .rigify import RIGIFY, RIGIFY_METARIG
from .unreal import UNREAL

FAMILIES: tuple[Family, ...] = (RIGIFY, RIGIFY_METARIG, MIXAMO, UNREAL, CMU)
