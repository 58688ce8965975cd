"""What a rig family calls its bones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from ..face import MIRRORED
from .roles import FINGERS, SIDED_PARTS, SIDES, Role, sided

Names = str | tuple[str, ...]
"""One name, or several of which the first that exists is meant."""


@dataclass(frozen=True)
class Family:
    """A family's names for the roles. In `sided_names`, `{side}` stands for the token `left` or `right`.

    name          as shown to the user
    centre_names  part -> bone name(s) on the body's midline
    sided_names   part -> bone name(s) of one side
    fingerprint   bones that other families lack
    prefix        regular expression of what exporters put before every name, beside a namespace
    face_centre   of the face: `jaw`, or the number of a point -> name(s) of the bone that begins there
    face_sided    likewise, of the left side: also `upper_lid` and `lower_lid`
    """

    name: str
    left: str
    right: str
    centre_names: Mapping[str, Names]
    sided_names: Mapping[str, Names]
    fingerprint: tuple[str, ...]
    prefix: str = ""
    face_centre: Mapping[str | int, Names] = field(default_factory=dict)
    face_sided: Mapping[str | int, Names] = field(default_factory=dict)

    @cached_property
    def face_bones(self) -> dict[str, tuple[str, ...]]:
        """`face_30` for the tip of the nose, `jaw`, `left_upper_lid` ... -> names in order of preference, canonical."""
        names = {_face_part(part): self._canonical_names(names) for part, names in self.face_centre.items()}
        for part, sided_names in self.face_sided.items():
            for side, token in zip(SIDES, (self.left, self.right), strict=True):
                names[_face_part(part, side)] = self._canonical_names(sided_names, token)
        return names

    @cached_property
    def bones(self) -> dict[Role, tuple[str, ...]]:
        """Role -> names in order of preference, canonical."""
        names = {Role(part): self._canonical_names(names) for part, names in self.centre_names.items()}
        for side, token in zip(SIDES, (self.left, self.right), strict=True):
            for part in SIDED_PARTS:
                if part in self.sided_names:
                    names[sided(side, part)] = self._canonical_names(self.sided_names[part], token)
        return names

    @cached_property
    def fingerprint_bones(self) -> frozenset[str]:
        return frozenset(map(self.canonical, self.fingerprint))

    def canonical(self, bone: str) -> str:
        return self.without_prefix(canonical(bone))

    def without_prefix(self, canonical_name: str) -> str:
        found = self._prefix.match(canonical_name) if self._prefix else None
        return canonical_name[found.end() :] if found else canonical_name

    @cached_property
    def _prefix(self) -> re.Pattern[str] | None:
        return re.compile(f"(?:{self.prefix})_?") if self.prefix else None

    def _canonical_names(self, names: Names, side: str = "") -> tuple[str, ...]:
        names = (names,) if isinstance(names, str) else names
        return tuple(self.canonical(name.format(side=side)) for name in names)


def _face_part(part: str | int, side: str = "") -> str:
    if isinstance(part, int):
        return f"face_{MIRRORED[part] if side == 'right' else part}"
    return f"{side}_{part}" if side else part


@lru_cache(maxsize=8192)  # the same armature is looked at again and again
def canonical(bone: str) -> str:
    """`bone` without namespace, in lower case, with one separator and plain digits: exporters disagree on all of these."""
    bare = unicodedata.normalize("NFKC", re.split(r"[:|]", bone)[-1])
    return re.sub(r"[\s._-]+", "_", bare).strip("_").lower()


def fingers(
    template: str,
    names: Sequence[str] = ("Thumb", "Index", "Middle", "Ring", "Pinky"),
    joints: Sequence[str] = ("1", "2", "3"),
    thumb_joints: Sequence[str] | None = None,
) -> dict[str, str]:
    """`sided_names` of a hand's 15 phalanges: `{finger}` and `{joint}` of the template filled in, from the knuckle out."""
    return {
        f"{finger}_{number}": template.format(side="{side}", finger=name, joint=joint)
        for finger, name in zip(FINGERS, names, strict=True)
        for number, joint in enumerate((thumb_joints or joints) if finger == "thumb" else joints, 1)
    }
