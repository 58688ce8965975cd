"""Bandai Namco Research's motion dataset. No fingers were captured."""

from .family import Family

BANDAI = Family(
    name="Bandai",
    left="L",
    right="R",
    centre_names={
        "hips": "Hips",
        "spine": "Spine",
        "chest": "Chest",
        "neck": "Neck",
        "head": "Head",
    },
    sided_names={
        "clavicle": "Shoulder_{side}",
        "upper_arm": "UpperArm_{side}",
        "forearm": "LowerArm_{side}",
        "hand": "Hand_{side}",
        "thigh": "UpperLeg_{side}",
        "shin": "LowerLeg_{side}",
        "foot": "Foot_{side}",
        "toe": "Toes_{side}",
    },
    fingerprint=("Toes_L", "Toes_R"),
)
