"""Rokoko Studio's skeleton. Of its four bones a finger, the metacarpal is in the palm; the thumb has three."""

from .family import Family, fingers

ROKOKO = Family(
    name="Rokoko",
    left="Left",
    right="Right",
    centre_names={
        "hips": "Hips",
        "spine": "Spine1",
        "chest": "Spine2",
        "upper_chest": "Spine4",
        "neck": "Neck",
        "head": "Head",
    },
    sided_names={
        "clavicle": "{side}Shoulder",
        "upper_arm": "{side}Arm",
        "forearm": "{side}ForeArm",
        "hand": "{side}Hand",
        "thigh": "{side}Thigh",
        "shin": "{side}Shin",
        "foot": "{side}Foot",
        "toe": "{side}Toe",
        **fingers(
            "{side}Finger{finger}{joint}",
            "12345",
            ("Proximal", "Medial", "Distal"),
            thumb_joints=("Metacarpal", "Proximal", "Distal"),
        ),
    },
    fingerprint=("Spine4", "LeftThigh", "LeftShin"),
)
