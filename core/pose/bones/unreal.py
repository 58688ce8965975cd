"""Unreal Engine's mannequins: 4, whose names MakeHuman's game engine rig has too, and 5."""

from .family import Family, fingers

_LIMBS = {
    "clavicle": "clavicle_{side}",
    "upper_arm": "upperarm_{side}",
    "forearm": "lowerarm_{side}",
    "hand": "hand_{side}",
    "thigh": "thigh_{side}",
    "shin": "calf_{side}",
    "foot": "foot_{side}",
    "toe": "ball_{side}",
    **fingers("{finger}_{joint}_{side}", ("thumb", "index", "middle", "ring", "pinky"), ("01", "02", "03")),
}

UNREAL_5 = Family(
    name="Unreal 5",
    left="l",
    right="r",
    centre_names={
        "hips": "pelvis",
        "spine": "spine_01",
        "chest": "spine_03",
        "upper_chest": "spine_05",
        "neck": "neck_01",
        "head": "head",
    },
    sided_names=_LIMBS,
    fingerprint=("spine_04", "spine_05", "neck_02"),
)

UNREAL = Family(
    name="Unreal",
    left="l",
    right="r",
    centre_names={
        "hips": "pelvis",
        "spine": "spine_01",
        "chest": "spine_02",
        "upper_chest": "spine_03",
        "neck": "neck_01",
        "head": "head",
    },
    sided_names=_LIMBS,
    fingerprint=("spine_03", "calf_l", "lowerarm_l"),
)
