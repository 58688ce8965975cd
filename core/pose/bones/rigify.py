"""Rigify: the generated rig and the bare metarig.

Of a generated rig the deform bones are read, because the ORG bones ignore tweak controls and the IK bones are elsewhere while
the limb is in FK. Their order is broken: ORG bones stand between them. No deform bone is at an eye or the tip of the nose.
"""

from .family import Family, fingers

_CENTRE: dict[str, str | tuple[str, ...]] = {
    "hips": "spine",
    "spine": "spine.001",
    "chest": "spine.002",
    "upper_chest": "spine.003",
    "neck": "spine.004",
    "head": ("spine.006", "spine.005"),
}
_SIDED: dict[str, str | tuple[str, ...]] = {
    "clavicle": "shoulder.{side}",
    "upper_arm": "upper_arm.{side}",
    "forearm": "forearm.{side}",
    "hand": "hand.{side}",
    "thigh": "thigh.{side}",
    "shin": "shin.{side}",
    "foot": "foot.{side}",
    "toe": "toe.{side}",
    **fingers("{finger}.{joint}.{side}", ("thumb", "f_index", "f_middle", "f_ring", "f_pinky"), ("01", "02", "03")),
}

_FACE_CENTRE: dict[str | int, str] = {
    "jaw": "jaw", 8: "chin", 27: "nose", 29: "nose.001", 30: "nose.002", 33: "nose.004", 51: "lip.T.L", 57: "lip.B.L",
}  # fmt: skip
_FACE_SIDED: dict[str | int, str] = {
    22: "brow.T.{side}.003", 24: "brow.T.{side}.002", 26: "brow.T.{side}.001",
    35: "nose.{side}.001", 42: "lid.B.{side}", 43: "lid.T.{side}.003", 44: "lid.T.{side}.001", 45: "lid.T.{side}",
    46: "lid.B.{side}.003", 47: "lid.B.{side}.001", 53: "lip.T.{side}.001", 54: "cheek.B.{side}", 55: "lip.B.{side}.001",
}  # fmt: skip


def _deform(names: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return f"DEF-{names}" if isinstance(names, str) else tuple(f"DEF-{name}" for name in names)


RIGIFY = Family(
    name="Rigify",
    left="L",
    right="R",
    centre_names={part: _deform(names) for part, names in _CENTRE.items()} | {"nose": "ORG-nose.002"},
    sided_names={part: _deform(names) for part, names in _SIDED.items()} | {"eye": "ORG-eye.{side}", "ear": "ORG-ear.{side}"},
    fingerprint=("DEF-spine.003", "ORG-spine", "MCH-torso.parent"),
    face_centre={part: f"DEF-{name}" for part, name in _FACE_CENTRE.items()},
    face_sided={part: f"DEF-{name}" for part, name in _FACE_SIDED.items()},
)

RIGIFY_METARIG = Family(
    name="Rigify metarig",
    left="L",
    right="R",
    centre_names=_CENTRE | {"nose": "nose.002"},
    sided_names=_SIDED | {"eye": "eye.{side}", "ear": "ear.{side}"},
    fingerprint=("spine.003", "pelvis.L", "heel.02.L"),
    face_centre=_FACE_CENTRE,
    face_sided=_FACE_SIDED,
)
