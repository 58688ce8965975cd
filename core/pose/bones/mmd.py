"""MikuMikuDance: names as in the model, and as MMD Tools for Blender makes them symmetrical."""

from __future__ import annotations

from .family import Family, fingers

_CENTRE = {"hips": "センター", "spine": "上半身", "chest": "上半身2", "upper_chest": "上半身3", "neck": "首", "head": "頭"}
_SIDED = {
    "clavicle": "肩",
    "upper_arm": "腕",
    "forearm": "ひじ",
    "hand": "手首",
    "thigh": "足",
    "shin": "ひざ",
    "foot": "足首",
    "toe": "つま先",
    "eye": "目",
    **fingers("{finger}{joint}", ("親指", "人指", "中指", "薬指", "小指"), "123", thumb_joints="012"),
}

MMD = Family(
    name="MMD",
    left="左",
    right="右",
    centre_names=_CENTRE,
    sided_names={part: "{side}" + name for part, name in _SIDED.items()},
    fingerprint=("センター", "下半身", "左ひじ"),
)

MMD_TOOLS = Family(
    name="MMD Tools",
    left="L",
    right="R",
    centre_names=_CENTRE,
    sided_names={part: name + ".{side}" for part, name in _SIDED.items()},
    fingerprint=("センター", "下半身", "ひじ.L"),
)
