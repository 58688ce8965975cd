"""The joints of a person that a bone can play, and the one tree of their kinship.

A role's joint is its bone's head: `left_forearm` is the left elbow, `left_foot` the left ankle. Left is the character's own.
"""

from __future__ import annotations

import enum

SIDES = ("left", "right")
FINGERS = ("thumb", "index", "middle", "ring", "little")

_CENTRE_PARENTS = {
    "hips": None, "spine": "hips", "chest": "spine", "upper_chest": "chest", "neck": "upper_chest", "head": "neck",
    "head_end": "head", "nose": "head",
}  # fmt: skip
_SIDED_PARENTS = {
    "clavicle": "upper_chest", "upper_arm": "clavicle", "forearm": "upper_arm", "hand": "forearm",
    "thigh": "hips", "shin": "thigh", "foot": "shin", "toe": "foot", "eye": "head", "ear": "head",
    **{f"{finger}_1": "hand" for finger in FINGERS},
    **{f"{finger}_{phalanx}": f"{finger}_{phalanx - 1}" for finger in FINGERS for phalanx in (2, 3)},
}  # fmt: skip

CENTRE_PARTS = tuple(_CENTRE_PARENTS)
SIDED_PARTS = tuple(_SIDED_PARENTS)

_ROLES = [*CENTRE_PARTS, *(f"{side}_{part}" for side in SIDES for part in SIDED_PARTS)]
Role = enum.StrEnum("Role", _ROLES, module=__name__)  # type: ignore[misc]  # mypy reads lists of literals alone
"""`Role("left_upper_arm")`; also a plain string, so that mappings travel as JSON and as Blender properties."""


def sided(side: str, part: str) -> Role:
    return Role(f"{side}_{part}")


def _parent(side: str, part: str) -> Role:
    parent = _SIDED_PARENTS[part]
    return Role(parent) if parent in _CENTRE_PARENTS else sided(side, parent)


PARENT: dict[Role, Role | None] = {
    **{Role(part): Role(parent) if parent else None for part, parent in _CENTRE_PARENTS.items()},
    **{sided(side, part): _parent(side, part) for side in SIDES for part in SIDED_PARTS},
}

# Without these there is no body to draw; the rest makes it finer.
REQUIRED: tuple[Role, ...] = (
    Role("hips"),
    Role("head"),
    *(
        sided(side, part)
        for side in SIDES
        for part in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
    ),
)  # fmt: skip


def is_ancestor(ancestor: Role, role: Role) -> bool:
    """Whether `ancestor` lies on the way from `role` to the hips."""
    parent = PARENT[role]
    while parent is not None and parent != ancestor:
        parent = PARENT[parent]
    return parent == ancestor
