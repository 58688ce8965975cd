"""MPFB's and MakeHuman's default rig, which has a bone for almost every muscle.

Finger 1 is the thumb; the clavicle is followed by a shoulder, and the limbs are in two halves.
"""

from .family import Family, fingers

MAKEHUMAN = Family(
    name="MakeHuman",
    left="L",
    right="R",
    centre_names={
        "hips": "root",
        "spine": "spine05",
        "chest": "spine03",
        "upper_chest": "spine01",
        "neck": "neck01",
        "head": "head",
    },
    sided_names={
        "clavicle": "clavicle.{side}",
        "upper_arm": "upperarm01.{side}",
        "forearm": "lowerarm01.{side}",
        "hand": "wrist.{side}",
        "thigh": "upperleg01.{side}",
        "shin": "lowerleg01.{side}",
        "foot": "foot.{side}",
        "toe": "toe1-1.{side}",
        "eye": "eye.{side}",
        **fingers("finger{finger}-{joint}.{side}", "12345"),
    },
    fingerprint=("spine05", "upperarm01.L", "lowerleg02.L"),
    face_centre={"jaw": "jaw", 8: "oris02", 33: "oris06", 57: "oris01"},
    face_sided={
        24: "oculi01.{side}",
        26: "oculi02.{side}",
        54: "levator05.{side}",
        "upper_lid": "orbicularis03.{side}",
        "lower_lid": "orbicularis04.{side}",
    },
)
