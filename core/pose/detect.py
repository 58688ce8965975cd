"""Which bone of an armature plays which role: from the names of its bones and their parents, else from their geometry.

Each whole family is scored, never pooled synonyms: "LeftShoulder", "LeftHip" and "left_foot" are different joints in different
families.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from ..errors import NotHumanoid
from .bones import FAMILIES, Family
from .bones.family import canonical
from .bones.roles import PARENT, REQUIRED, SIDES, Role, is_ancestor, sided
from .structure import Bones, Found, search, swapped_limbs

_Part = TypeVar("_Part", bound=str)

Parents = Mapping[str, str | None]
"""Bone name -> its parent's name, None for a root."""

USER_MAPPING = "user mapping"
BY_STRUCTURE = "found by structure"

_SHOULDER_GIRDLE = frozenset(sided(side, part) for side in SIDES for part in ("clavicle", "upper_arm"))

# Below this share of the required bones, telling which are missing says nothing about the armature.
_RESEMBLANCE = 0.4


@dataclass(frozen=True)
class Detection:
    """Which bone plays which role.

    family      the family's name, `BY_STRUCTURE`, or `USER_MAPPING`
    mapping     role -> bone name, all required roles among them
    confidence  0 to 1
    missing     the optional roles that no bone plays
    guessed     the roles of `mapping` that the geometry told, not a name
    warnings    sentences for the user: what looks wrong, though it can be sampled
    residual    where the geometry told, how far the proportions are from a person's (`structure.Found`), else None
    face        what is there of a face's bones (`Family.face_bones`): `face_30`, `jaw`, ... -> bone name
    """

    family: str
    mapping: dict[Role, str]
    confidence: float
    missing: tuple[Role, ...]
    guessed: frozenset[Role] = frozenset()
    warnings: tuple[str, ...] = ()
    residual: float | None = None
    face: dict[str, str] = field(default_factory=dict)

    @property
    def bones(self) -> dict[str, str]:
        """Role, or part of the face -> bone: all that keypoints are fixed to."""
        return {**{str(role): bone for role, bone in self.mapping.items()}, **self.face}

    def state(self, role: str) -> Literal["found", "guessed", "missing"]:
        if role in self.guessed:
            return "guessed"
        return "found" if role in self.mapping else "missing"


def detect(
    parents: Parents,
    armature: str = "The armature",
    *,
    poses: Iterable[Bones] = (),
    aliases: Mapping[str, str] | None = None,
) -> Detection:
    """The family that fits best; where none does, what the geometry of `poses` tells. `armature` names it in errors.

    `poses` are the same bones in one pose each, best first (rest, then animated frames); read only as far as needed, so a
    generator may evaluate them. `aliases` is bone name -> what the file's metadata calls it (a VRM's humanoid role such as
    `leftUpperArm`, `mmd_bone.name_j`); where a family is complete by them, they win over the names.

    Raises `NotHumanoid`, which lists what the closest family misses, or what the geometry is not.
    """
    if not parents:
        raise NotHumanoid(f"{armature} has no bones.", "Choose another armature.")
    own_names = {bone: bone for bone in parents}
    candidates: list[Detection] = []
    by_metadata = {bone: (aliases or {}).get(bone, bone) for bone in parents}
    for names in (by_metadata, own_names) if aliases else (own_names,):
        by_name = _by_canonical_name(names)
        candidates = [_match(family, parents, by_name) for family in FAMILIES]
        if complete := [candidate for candidate in candidates if not _lacking(candidate.mapping)]:
            best = max(complete, key=lambda candidate: candidate.confidence)
            return _with_warnings(best, poses)
    closest = min(candidates, key=lambda candidate: (len(_lacking(candidate.mapping)), -candidate.confidence))
    lacking = _lacking(closest.mapping)
    resembles = len(lacking) <= (1 - _RESEMBLANCE) * len(REQUIRED)
    refusal: NotHumanoid | None = None
    found: Found | None = None
    for pose in poses:
        try:
            another = search(pose, armature)
        except NotHumanoid as error:
            refusal = refusal or error
            continue
        if found is None or another.confidence > found.confidence:
            found = another
        if found.sides_told:
            break
    if found is not None:
        return _completed(closest, found) if resembles else _guessed(found)
    if resembles:
        looks = f"{armature} looks like {closest.family}, but no bone in place is its {_listed(lacking)}."
    else:
        looks = f"{armature} does not look like a person: its bones are named like those of no known family."
    raise NotHumanoid(looks if refusal is None else f"{looks} Nor is it known by its shape: {refusal.message}")


def _guessed(found: Found) -> Detection:
    warnings = () if found.sides_told else ("Which side is left was guessed: check it.",)
    return Detection(
        family=BY_STRUCTURE,
        mapping=found.mapping,
        confidence=found.confidence,
        missing=tuple(role for role in PARENT if role not in found.mapping),
        guessed=frozenset(found.mapping),
        warnings=warnings,
        residual=found.residual,
    )


def _completed(named: Detection, found: Found) -> Detection:
    """What names told of a family, and of the rest what the geometry did; the latter alone where the two contradict."""
    if any(named.mapping.get(role, bone) != bone for role, bone in found.mapping.items() if role in REQUIRED):
        return _guessed(found)
    played = set(named.mapping.values())
    guessed = {role: bone for role, bone in found.mapping.items() if role not in named.mapping and bone not in played}
    mapping = named.mapping | guessed
    return Detection(
        family=named.family,
        mapping=mapping,
        confidence=min(named.confidence, found.confidence),
        missing=tuple(role for role in PARENT if role not in mapping),
        guessed=frozenset(guessed),
        residual=found.residual,
        face=named.face,
    )


def from_mapping(mapping: Mapping[str, str], parents: Parents, armature: str = "The armature") -> Detection:
    """The user's own mapping of role to bone name, checked; roles with an empty name are not played.

    Raises `NotHumanoid` if a required role is not played, a bone does not exist or plays two roles, or a role is unknown.
    """
    played: dict[Role, str] = {}
    for role, bone in mapping.items():
        if not bone:
            continue
        if role not in PARENT:
            raise NotHumanoid(f"The bone mapping of {armature} holds an unknown role, {role!r}.")
        if bone not in parents:
            raise NotHumanoid(f"{armature} has no bone {bone!r}, which the bone mapping gives as {_listed((Role(role),))}.")
        played[Role(role)] = bone
    if lacking := _lacking(played):
        raise NotHumanoid(f"The bone mapping of {armature} lacks {_listed(lacking)}.")
    seen: dict[str, Role] = {}
    for role, bone in played.items():
        if bone in seen:
            raise NotHumanoid(f"In the bone mapping of {armature}, {bone!r} is both {_listed((seen[bone], role))}.")
        seen[bone] = role
    by_name = _by_canonical_name({bone: bone for bone in parents})
    return Detection(
        family=USER_MAPPING,
        mapping=played,
        confidence=1.0,
        missing=tuple(role for role in PARENT if role not in played),
        face=max((_face(family, _without_prefix(family, by_name)) for family in FAMILIES if family.face_bones), key=len),
    )


def _with_warnings(detection: Detection, poses: Iterable[Bones]) -> Detection:
    pose = next(iter(poses), None)
    swapped = swapped_limbs(pose, detection.mapping) if pose is not None else ()
    if not swapped:
        return detection
    if len(swapped) == 2:
        return replace(detection, warnings=("Left and right look swapped: the feet point backwards.",))
    return replace(detection, warnings=(f"Left and right of the {swapped[0]} look swapped, as the feet point.",))


def _match(family: Family, parents: Parents, by_name: Mapping[str, str]) -> Detection:
    """`by_name` is canonical name -> bone."""
    by_name = _without_prefix(family, by_name)
    named = _named(family.bones, by_name)
    plays = {bone: role for role, bone in named.items()}
    mapping = {role: bone for role, bone in named.items() if _in_place(role, bone, plays, parents)}
    found = len(mapping) / len(family.bones)
    in_order = len(mapping) / max(len(named), 1)
    fingerprint = len(family.fingerprint_bones & by_name.keys()) / len(family.fingerprint_bones)
    return Detection(
        family=family.name,
        mapping=mapping,
        confidence=round((0.3 + 0.7 * found) * in_order * (0.5 + 0.5 * fingerprint), 3),
        missing=tuple(role for role in PARENT if role not in mapping),
        face=_face(family, by_name),
    )


def _face(family: Family, by_name: Mapping[str, str]) -> dict[str, str]:
    return _named(family.face_bones, by_name)


def _named(wanted: Mapping[_Part, tuple[str, ...]], by_name: Mapping[str, str]) -> dict[_Part, str]:
    """Of each part, the first of its names that there is, as a bone."""
    found = {part: next((name for name in names if name in by_name), None) for part, names in wanted.items()}
    return {part: by_name[name] for part, name in found.items() if name is not None}


def _without_prefix(family: Family, by_name: Mapping[str, str]) -> Mapping[str, str]:
    return {family.without_prefix(name): bone for name, bone in by_name.items()} if family.prefix else by_name


def _by_canonical_name(names: Mapping[str, str]) -> dict[str, str]:
    """Canonical name -> bone. Of two, that which metadata calls so goes before the one whose own name it is."""
    by_name: dict[str, str] = {}
    for bone in sorted(names, key=lambda bone: names[bone] == bone):
        by_name.setdefault(canonical(names[bone]), bone)
    return by_name


def _in_place(role: Role, bone: str, plays: Mapping[str, Role], parents: Parents) -> bool:
    """Whether the nearest ancestor that plays a role is kin of `role`. A broken chain, as in Rigify, has none: that is fine."""
    above = parents[bone]
    while above is not None and above not in plays:
        above = parents[above]
    if above is None or is_ancestor(plays[above], role):
        return True
    return plays[above] == "neck" and role in _SHOULDER_GIRDLE  # which 3ds Max hangs from the neck


def _lacking(mapping: Mapping[Role, str]) -> tuple[Role, ...]:
    return tuple(role for role in REQUIRED if role not in mapping)


def _listed(roles: tuple[Role, ...]) -> str:
    names = [role.replace("_", " ") for role in roles]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
