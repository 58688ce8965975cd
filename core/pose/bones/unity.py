"""Unity's Humanoid names, which VRM 0 has for its roles too.

Unity itself writes those of the fingers with spaces in one place and without in another.
"""

from .family import Family, fingers

_FINGERS = {
    part: (name.replace(" ", ""), name)
    for part, name in fingers(
        "{side} {finger} {joint}",
        ("Thumb", "Index", "Middle", "Ring", "Little"),
        ("Proximal", "Intermediate", "Distal"),
    ).items()
}

UNITY = Family(
    name="Unity Humanoid",
    left="Left",
    right="Right",
    centre_names={
        "hips": "Hips",
        "spine": "Spine",
        "chest": "Chest",
        "upper_chest": "UpperChest",
        "neck": "Neck",
        "head": "Head",
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
        **_FINGERS,
    },
    fingerprint=("UpperChest", "LeftLowerArm", "LeftToes"),
    face_centre={"jaw": "Jaw"},
)
