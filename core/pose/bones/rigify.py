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


def _deform(names: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return f"DEF-{names}" if isinstance(names, str) else tuple(f"DEF-{name}" for name in names)


RIGIFY = Family(
    name="Rigify",
    left="L",
    right="R",
    centre_names={part: _deform(names) for part, names in _CENTRE.items()} | {"nose": "ORG-nose.002"},
    sided_names={part: _deform(names) for part, names in _SIDED.items()} | {"eye": "ORG-eye.{side}", "ear": "ORG-ear.{side}"},
    fingerprint=("DEF-spine.003", "ORG-spine", "MCH-torso.parent"),
)

RIGIFY_METARIG = Family(
    name="Rigify metarig",
    left="L",
    right="R",
    centre_names=_CENTRE | {"nose": "nose.002"},
    sided_names=_SIDED | {"eye": "eye.{side}", "ear": "ear.{side}"},
    fingerprint=("spine.003", "pelvis.L", "heel.02.L"),
)
