"""Mixamo, and Ready Player Me, which uses its names without the prefix."""

from .family import Family, fingers

MIXAMO = Family(
    name="Mixamo",
    left="Left",
    right="Right",
    prefix=r"mixamorig\d*",
    centre_names={
        "hips": "Hips",
        "spine": "Spine",
        "chest": "Spine1",
        "upper_chest": "Spine2",
        "neck": "Neck",
        "head": "Head",
        "head_end": "HeadTop_End",
    },
    sided_names={
        "clavicle": "{side}Shoulder",
        "upper_arm": "{side}Arm",
        "forearm": "{side}ForeArm",
        "hand": "{side}Hand",
        "thigh": "{side}UpLeg",
        "shin": "{side}Leg",
        "foot": "{side}Foot",
        "toe": "{side}ToeBase",
        "eye": "{side}Eye",
        **fingers("{side}Hand{finger}{joint}"),
    },
    fingerprint=("Spine2",),
)
