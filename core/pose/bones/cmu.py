"""The Carnegie Mellon motion capture skeleton, as BVH files and MakeHuman name it. No fingers were captured."""

from .family import Family

CMU = Family(
    name="CMU",
    left="Left",
    right="Right",
    centre_names={
        "hips": "Hips",
        "spine": "LowerBack",
        "chest": "Spine",
        "upper_chest": "Spine1",
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
        "toe": "{side}ToeBase",
    },
    fingerprint=("LowerBack", "LHipJoint", "RHipJoint"),
)
