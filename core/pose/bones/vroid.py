"""VRoid Studio: as exported, and as the VRM add-on for Blender renames it to make the sides symmetrical."""

from .family import Family, fingers

VROID = Family(
    name="VRoid",
    left="L",
    right="R",
    prefix=r"j_(?:bip|adj)",
    centre_names={
        "hips": "C_Hips",
        "spine": "C_Spine",
        "chest": "C_Chest",
        "upper_chest": "C_UpperChest",
        "neck": "C_Neck",
        "head": "C_Head",
    },
    sided_names={
        "clavicle": "{side}_Shoulder",
        "upper_arm": "{side}_UpperArm",
        "forearm": "{side}_LowerArm",
        "hand": "{side}_Hand",
        "thigh": "{side}_UpperLeg",
        "shin": "{side}_LowerLeg",
        "foot": "{side}_Foot",
        "toe": "{side}_ToeBase",
        "eye": "{side}_FaceEye",
        **fingers("{side}_{finger}{joint}", ("Thumb", "Index", "Middle", "Ring", "Little")),
    },
    fingerprint=("C_Hips", "C_UpperChest", "L_FaceEye"),
)

VROID_RENAMED = Family(
    name="VRoid renamed",
    left="L",
    right="R",
    centre_names={
        "hips": "Hips",
        "spine": "Spine",
        "chest": "Chest",
        "upper_chest": "UpperChest",
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
        "toe": "ToeBase_{side}",
        "eye": "FaceEye_{side}",
        **fingers("{finger}{joint}_{side}", ("Thumb", "Index", "Middle", "Ring", "Little")),
    },
    fingerprint=("UpperChest", "ToeBase_L", "FaceEye_L"),
)
