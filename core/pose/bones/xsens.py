"""Xsens MVN's skeletons: in BVH files and in FBX files.

In BVH, a shoulder is where the upper arm begins and a hip where the thigh does; the shoulder girdle is the collar.
"""

from .family import Family

XSENS_BVH = Family(
    name="Xsens BVH",
    left="Left",
    right="Right",
    centre_names={
        "hips": "Hips",
        "spine": "Chest",
        "chest": "Chest2",
        "upper_chest": "Chest4",
        "neck": "Neck",
        "head": "Head",
    },
    sided_names={
        "clavicle": "{side}Collar",
        "upper_arm": "{side}Shoulder",
        "forearm": "{side}Elbow",
        "hand": "{side}Wrist",
        "thigh": "{side}Hip",
        "shin": "{side}Knee",
        "foot": "{side}Ankle",
        "toe": "{side}Toe",
    },
    fingerprint=("Chest4", "LeftCollar", "LeftElbow"),
)

XSENS_FBX = Family(
    name="Xsens FBX",
    left="Left",
    right="Right",
    centre_names={
        "hips": ("Hips", "Pelvis"),
        "spine": ("L5", "Spine"),
        "chest": ("T12", "Spine2"),
        "upper_chest": ("T8", "Spine3"),
        "neck": "Neck",
        "head": "Head",
    },
    sided_names={
        "clavicle": "{side}Shoulder",
        "upper_arm": "{side}UpperArm",
        "forearm": "{side}ForeArm",
        "hand": "{side}Hand",
        "thigh": "{side}UpperLeg",
        "shin": "{side}LowerLeg",
        "foot": "{side}Foot",
        "toe": "{side}Toe",
    },
    fingerprint=("L5", "L3", "T12", "T8"),
)
