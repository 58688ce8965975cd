"""Daz Studio's Genesis: 3 and 8, with 1 and 2, whose limbs are in one piece; and 9."""

from .family import Family, fingers

GENESIS_8 = Family(
    name="Daz Genesis 3/8",
    left="l",
    right="r",
    centre_names={
        "hips": "hip",
        "spine": ("abdomenLower", "abdomen"),
        "chest": ("chestLower", "abdomen2"),
        "upper_chest": ("chestUpper", "chest"),
        "neck": ("neckLower", "neck"),
        "head": "head",
    },
    sided_names={
        "clavicle": "{side}Collar",
        "upper_arm": ("{side}ShldrBend", "{side}Shldr"),
        "forearm": ("{side}ForearmBend", "{side}ForeArm"),
        "hand": "{side}Hand",
        "thigh": ("{side}ThighBend", "{side}Thigh"),
        "shin": "{side}Shin",
        "foot": "{side}Foot",
        "toe": "{side}Toe",
        "eye": "{side}Eye",
        "ear": "{side}Ear",
        **fingers("{side}{finger}{joint}", ("Thumb", "Index", "Mid", "Ring", "Pinky")),
    },
    fingerprint=("abdomenLower", "lShldrBend", "lThighBend"),
    face_centre={"jaw": "lowerJaw"},
)

GENESIS_9 = Family(
    name="Daz Genesis 9",
    left="l",
    right="r",
    centre_names={
        "hips": "hip",
        "spine": "spine1",
        "chest": "spine3",
        "upper_chest": "spine4",
        "neck": "neck1",
        "head": "head",
    },
    sided_names={
        "clavicle": "{side}_shoulder",
        "upper_arm": "{side}_upperarm",
        "forearm": "{side}_forearm",
        "hand": "{side}_hand",
        "thigh": "{side}_thigh",
        "shin": "{side}_shin",
        "foot": "{side}_foot",
        "toe": "{side}_toes",
        "eye": "{side}_eye",
        "ear": "{side}_ear",
        **fingers("{side}_{finger}{joint}", ("thumb", "index", "mid", "ring", "pinky")),
    },
    fingerprint=("spine4", "neck1", "l_metatarsal"),
    face_centre={"jaw": "lowerjaw"},
)
