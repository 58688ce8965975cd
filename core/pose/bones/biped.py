"""The Biped of 3ds Max, and Valve's of the Source engine. Finger 0 is the thumb; the first phalanx has no number of its own."""

from .family import Family, fingers

_PREFIX = r"(?:valvebiped_)?bip\d*"
_LIMBS = {
    "clavicle": "{side}_Clavicle",
    "upper_arm": "{side}_UpperArm",
    "forearm": "{side}_Forearm",
    "hand": "{side}_Hand",
    "thigh": "{side}_Thigh",
    "shin": "{side}_Calf",
    "foot": "{side}_Foot",
    "toe": "{side}_Toe0",
    **fingers("{side}_Finger{finger}{joint}", "01234", ("", "1", "2")),
}

BIPED = Family(
    name="3ds Max Biped",
    left="L",
    right="R",
    prefix=_PREFIX,
    centre_names={
        "hips": "Pelvis",
        "spine": "Spine",
        "chest": "Spine1",
        "upper_chest": ("Spine3", "Spine2"),
        "neck": "Neck",
        "head": "Head",
    },
    sided_names=_LIMBS,
    fingerprint=("Bip001 Spine", "Bip001 L Thigh", "Bip001 Neck"),
)

SOURCE = Family(
    name="Source",
    left="L",
    right="R",
    prefix=_PREFIX,
    centre_names={
        "hips": "Pelvis",
        "spine": "Spine",
        "chest": "Spine1",
        "upper_chest": ("Spine4", "Spine2"),
        "neck": "Neck1",
        "head": "Head1",
    },
    sided_names=_LIMBS,
    fingerprint=("Neck1", "Head1", "Spine4"),
)
