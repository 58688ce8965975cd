"""Unreal Engine's mannequins 4 and 5, and MakeHuman's game engine rig, which uses their names."""

from .family import Family

UNREAL = Family(
    name="Unreal",
    left="l",
    right="r",
    centre_names={
        "hips": "pelvis",
        "spine": "spine_01",
        "chest": "spine_02",
        "upper_chest": ("spine_05", "spine_03"),
        "neck": "neck_01",
        "head": "head",
    },
    sided_names={
        "clavicle": "clavicle_{side}",
        "upper_arm": "upperarm_{side}",
        "forearm": "lowerarm_{side}",
        "hand": "hand_{side}",
        "thigh": "thigh_{side}",
        "shin": "calf_{side}",
        "foot": "foot_{side}",
        "toe": "ball_{side}",
        "thumb_1": "thumb_01_{side}",
        "thumb_2": "thumb_02_{side}",
        "thumb_3": "thumb_03_{side}",
        "index_1": "index_01_{side}",
        "index_2": "index_02_{side}",
        "index_3": "index_03_{side}",
        "middle_1": "middle_01_{side}",
        "middle_2": "middle_02_{side}",
        "middle_3": "middle_03_{side}",
        "ring_1": "ring_01_{side}",
        "ring_2": "ring_02_{side}",
        "ring_3": "ring_03_{side}",
        "little_1": "pinky_01_{side}",
        "little_2": "pinky_02_{side}",
        "little_3": "pinky_03_{side}",
    },
    fingerprint=("spine_03", "calf_l", "lowerarm_l"),
)
