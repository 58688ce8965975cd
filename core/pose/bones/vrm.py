"""VRM 1's humanoid roles, in metadata and as names of bones. VRM 0's are Unity's: they differ in the thumb."""

from .family import Family, fingers

VRM_1 = Family(
    name="VRM 1",
    left="left",
    right="right",
    centre_names={
        "hips": "hips",
        "spine": "spine",
        "chest": "chest",
        "upper_chest": "upperChest",
        "neck": "neck",
        "head": "head",
    },
    sided_names={
        "clavicle": "{side}Shoulder",
        "upper_arm": "{side}UpperArm",
        "forearm": "{side}LowerArm",
        "hand": "{side}Hand",
        "thigh": "{side}UpperLeg",
        "shin": "{side}LowerLeg",
        "foot": "{side}Foot",
        "toe": "{side}Toes",
        "eye": "{side}Eye",
        **fingers(
            "{side}{finger}{joint}",
            ("Thumb", "Index", "Middle", "Ring", "Little"),
            ("Proximal", "Intermediate", "Distal"),
            thumb_joints=("Metacarpal", "Proximal", "Distal"),
        ),
    },
    fingerprint=("leftThumbMetacarpal", "rightThumbMetacarpal"),
    face_centre={"jaw": "jaw"},
)
