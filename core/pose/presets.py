"""Bone mappings as files to share, and mirroring of a mapping.

A preset is JSON: `{"understudy_bone_mapping": 1, "family": "...", "mapping": {role: bone}}`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import InvalidPreset
from ..files import write_atomically
from .bones.roles import PARENT, SIDED_PARTS, SIDES, Role, sided

FORMAT = 1
_KIND = "understudy_bone_mapping"
_MAX_BYTES = 1 << 20

# "Left", Japanese, a lone "L" (".L", "_l", "lHand", "LHipJoint"), an "L" at the end of a word ("armL").
_SIDE_TOKEN = re.compile(r"(?i:left|right)|左|右|(?<![A-Za-z])[LRlr](?![a-z])|(?<=[a-z])[LR](?![A-Za-z])")
_OPPOSITE = {"left": "right", "l": "r", "左": "右"}
_OPPOSITE |= {opposite: token for token, opposite in _OPPOSITE.items()}


@dataclass(frozen=True)
class Preset:
    """A mapping of role -> bone name, and the family that it was made from (or "by hand")."""

    family: str
    mapping: dict[Role, str]


def save(path: str | os.PathLike, preset: Preset) -> None:
    """Write the file, whole or not at all. Raises `DiskFull`, and `OSError` where it cannot be written."""
    mapping = {role.value: preset.mapping[role] for role in PARENT if preset.mapping.get(role)}
    content = {_KIND: FORMAT, "family": preset.family, "mapping": mapping}
    write_atomically(Path(path), json.dumps(content, ensure_ascii=False, indent=1).encode())


def load(path: str | os.PathLike) -> Preset:
    """Read a preset; whether an armature has its bones is for `detect.from_mapping` to say. Raises `InvalidPreset`."""
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InvalidPreset(f"{path} is too large for a bone mapping.")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidPreset(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidPreset(f"{path} is not JSON.") from error
    if not isinstance(content, dict) or _KIND not in content:
        raise InvalidPreset(f"{path} holds no bone mapping of Understudy's.")
    if content[_KIND] != FORMAT:
        raise InvalidPreset(f"{path} has format {content[_KIND]}, this version reads {FORMAT}.", "Update Understudy.")
    family, mapping = content.get("family"), content.get("mapping")
    if not isinstance(family, str) or not isinstance(mapping, dict):
        raise InvalidPreset(f"{path} lacks its family or its mapping.")
    for role, bone in mapping.items():
        if role not in PARENT:
            raise InvalidPreset(f"{path} maps an unknown role, {role!r}.")
        if not isinstance(bone, str):
            raise InvalidPreset(f"{path} gives no bone name for {role}.")
    return Preset(family, {Role(role): bone for role, bone in mapping.items() if bone})


def mirror(
    mapping: Mapping[str, str], bones: Collection[str], source: Literal["left", "right"] | None = None
) -> dict[Role, str]:
    """The mapping with one side completed from the other.

    `bones` are the armature's names. With a `source` side, the other side becomes its mirror image; without, only roles that
    have no bone are filled, from whichever side has one. A role stays as it is where no bone has the mirrored name.
    """
    mirrored = {Role(role): bone for role, bone in mapping.items() if bone}
    for part in SIDED_PARTS:
        for side, other in (SIDES, SIDES[::-1]):
            role, opposite = sided(side, part), sided(other, part)
            if role not in mirrored or side != (source or side) or (source is None and opposite in mirrored):
                continue
            if bone := mirrored_name(mirrored[role], bones):
                mirrored[opposite] = bone
    return mirrored


def mirrored_name(bone: str, bones: Collection[str]) -> str | None:
    """The bone of `bones` that is called like `bone` on the other side: `hand.R` for `hand.L`, `rHand` for `lHand`."""
    for token in _SIDE_TOKEN.finditer(bone):
        other = _with_case_of(token[0], _OPPOSITE[token[0].lower()])
        candidate = bone[: token.start()] + other + bone[token.end() :]
        if candidate in bones:
            return candidate
    return None


def _with_case_of(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
