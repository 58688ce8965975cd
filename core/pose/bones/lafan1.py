"""Ubisoft's LaFAN1 motion capture. Its names are Mixamo's but for the toes; no fingers were captured."""

from .family import Family

LAFAN1 = Family(
    name="LaFAN1",
    left="Left",
    right="Right",
    centre_names={
        "hips": "Hips",
        "spine": "Spine",
        "chest": "Spine1",
        "upper_chest": "Spine2",
        "neck": "Neck",
        "head": "Head",
    },
    sided_names={
        "clavicle": "{side}Shoulder",
        "upper_arm": "{side}Arm",
        "forearm": "{side}ForeArm",
        "hand": "{side}Hand",
        "thigh": "{side}UpLeg",
        "shin": "{side}Leg",
        "foot": "{side}Foot",
        "toe": "{side}Toe",
    },
    fingerprint=("LeftToe", "RightToe"),
)
