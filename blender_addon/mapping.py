"""Which bone plays which role of an armature, as its owner left it there, else as detected; and how that is known.

What a user changed is kept on the armature object itself, so that it travels with the file, and by append and link.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import bpy
import numpy as np

from ..core.errors import NotHumanoid
from ..core.pose.bones.roles import PARENT, REQUIRED, Role
from ..core.pose.detect import Detection
from .instances import find_person
from .rigs import find_bones
from .sample_options import Person

if TYPE_CHECKING:
    from .properties import UnderstudyRig

BY_HAND = "By hand"
State = Literal["found", "guessed", "chosen", "missing", "gone"]


@dataclass(frozen=True)
class RigBones:
    """An armature's bones, as far as they are known.

    bones       role -> bone name
    states      of every role: found by name, guessed from the geometry, chosen by the user, missing, or gone from the armature
    changed     whether the user had a hand in it
    problem     why no take can be made of it, or None
    detection   what a take is made by, None where there is a problem
    """

    family: str
    confidence: float
    bones: Mapping[str, str]
    states: Mapping[Role, State]
    warnings: tuple[str, ...]
    changed: bool
    problem: NotHumanoid | None
    detection: Detection | None

    @property
    def title(self) -> str:
        if not self.family:
            return "Bones not known"
        return f"{self.family}, changed" if self.changed else f"{self.family}, {self.confidence:.0%}"

    @property
    def lacking(self) -> tuple[Role, ...]:
        """The roles without which there is no take."""
        return tuple(role for role in REQUIRED if self.states[role] in ("missing", "gone"))


# By armature and mapping, with a fingerprint of the bones.
_found: dict[tuple, tuple[int, Detection | NotHumanoid]] = {}


def armature_of(owner: bpy.types.Object) -> bpy.types.Object:
    """The armature itself, where `owner` instances a collection. Raises `NoArmature`."""
    return find_person(Person(owner.name, owner)).armature


def bones_of(owner: bpy.types.Object, depsgraph: bpy.types.Depsgraph | None = None) -> RigBones:
    """Of an armature, or of an empty that instances one. Quick but for the first time. Raises `NoArmature`.

    `depsgraph`: as `find_bones` has it.
    """
    armature = armature_of(owner)
    detected = _find(armature, None, depsgraph)
    found, refused = (None, detected) if isinstance(detected, NotHumanoid) else (detected, None)
    try:
        kept = remembered(owner)
    except NotHumanoid as error:
        return _unknown(error)
    if kept is None:
        if refused:
            return _unknown(refused)
        states: dict[Role, State] = {role: found.state(role) for role in Role}
        bones = {role.value: bone for role, bone in found.mapping.items()}
        return RigBones(found.family, found.confidence, bones, states, found.warnings, False, None, found)
    states = {role: _state(role, kept.get(role, ""), found, armature) for role in Role}
    mapped = _find(armature, kept)
    problem, detection = (mapped, None) if isinstance(mapped, NotHumanoid) else (None, mapped)
    warnings = detection.warnings if detection else ()
    return RigBones(_rig(owner).family, 1.0, kept, states, warnings, True, problem, detection)


def remembered(owner: bpy.types.Object) -> dict[str, str] | None:
    """Role -> bone as the user left it on `owner`, else on the armature that it instances; None where nobody touched it.

    Raises `NotHumanoid` where what is kept there cannot be read, and `NoArmature`.
    """
    for keeper in (owner, armature_of(owner)):
        if mapping := _rig(keeper).mapping:
            return {role: bone for role, bone in _read(mapping, keeper).items() if role in PARENT}
    return None


def _read(mapping: str, keeper: bpy.types.Object) -> dict[str, str]:
    try:
        kept = json.loads(mapping)
    except (ValueError, RecursionError):
        kept = None
    if not isinstance(kept, dict) or not all(isinstance(bone, str) for bone in kept.values()):
        raise NotHumanoid(f"The bone mapping that {keeper.name!r} carries cannot be read.", "Press Detect in the bone mapping.")
    return kept


def remember(owner: bpy.types.Object, mapping: Mapping[str, str], family: str) -> None:
    rig = _rig(owner)
    rig.mapping, rig.family = json.dumps({role: bone for role, bone in mapping.items() if bone}), family


def choose(owner: bpy.types.Object, role: str, bone: str) -> None:
    """Let `bone` play `role`, and no other role; "" for none."""
    known = bones_of(owner)
    mapping = {other: played for other, played in known.bones.items() if played != bone and other != role}
    remember(owner, {**mapping, role: bone}, known.family or BY_HAND)


def forget(owner: bpy.types.Object) -> None:
    """Detect the bones again, now and at each take; also where they were chosen on the armature that `owner` instances.

    What is linked keeps what it has. Raises `NoArmature`.
    """
    for keeper in (owner, armature_of(owner)):
        if keeper.library is None:
            rig = _rig(keeper)
            rig.mapping = rig.family = ""
    forget_all()


def forget_all() -> None:
    """What is known without being kept on an armature."""
    _found.clear()


def read_only_reason(owner: bpy.types.Object) -> str | None:
    """Why the mapping of `owner` cannot be changed, or None."""
    if owner.library is None:
        return None
    return f"{owner.name} is linked: make a library override of it, or map its bones in the file it comes from"


def fingerprint(armature: bpy.types.Object) -> int:
    """Differs when bones are renamed, added, moved or given another parent in Edit Mode, or cease to deform."""
    bones = armature.data.bones
    heads, deform = np.empty(len(bones) * 3, np.float32), np.empty(len(bones), bool)
    bones.foreach_get("head_local", heads)
    bones.foreach_get("use_deform", deform)
    parents = tuple(parent and parent.name for parent in (bone.parent for bone in bones))
    return hash((tuple(bones.keys()), parents, heads.tobytes(), deform.tobytes()))


def _rig(owner: bpy.types.Object) -> UnderstudyRig:
    return owner.understudy  # type: ignore[attr-defined]


def _unknown(problem: NotHumanoid) -> RigBones:
    return RigBones("", 0.0, {}, {role: "missing" for role in Role}, (), False, problem, None)


def _find(
    armature: bpy.types.Object, mapping: Mapping[str, str] | None, depsgraph: bpy.types.Depsgraph | None = None
) -> Detection | NotHumanoid:
    mark = fingerprint(armature)
    key = armature.session_uid, None if mapping is None else tuple(mapping.items())
    known = _found.get(key)
    if known is None or known[0] != mark:
        found: Detection | NotHumanoid
        try:
            found = find_bones(armature, mapping, depsgraph)
        except NotHumanoid as error:
            found = error.with_traceback(None)  # which would keep the armature
        known = _found[key] = mark, found
    return known[1]


def _state(role: Role, bone: str, found: Detection | None, armature: bpy.types.Object) -> State:
    if not bone:
        return "missing"
    if bone not in armature.data.bones:
        return "gone"
    return found.state(role) if found and found.mapping.get(role) == bone else "chosen"
