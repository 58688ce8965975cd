"""The proportions that a person is given, found in what shows the character of the reference."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import imbuf
import numpy as np

from ..core.errors import InvalidReference, NoArmature, UnderstudyError
from ..core.pose import keypoint_json
from ..core.pose.align import Proportions, fit, measure
from ..core.pose.reference import pose_in
from .instances import find_person
from .mapping import fingerprint, remembered
from .placing import keypoints
from .rigs import Rig, find_bones
from .sample_options import Alignment, Person

if TYPE_CHECKING:
    from .properties import UnderstudyPerson

_BY_HAND = "Place the joints on the picture by hand instead."
_known: dict[Hashable, Proportions | UnderstudyError] = {}  # by what they were found in, as it was then


def find_alignment(person: UnderstudyPerson) -> Alignment | None:
    """None where the person stays as it is. Quick but for the first time: the overlay asks at each draw.

    Raises `InvalidReference` where the picture or what lies beside it is missing, `InvalidClip` for JSON that cannot be read,
    `InvalidRequest` where too little of the person is told, `NoArmature`, `NotHumanoid`.
    """
    if person.align_to == "OWN" or person.align_strength == 0:
        return None
    if person.align_to == "ARMATURE":
        proportions = _of_armature(person.align_armature)
    elif person.align_to == "POINTS":
        proportions = _of_points(person)
    else:
        proportions = _of_picture(_picture(person))
    return Alignment(proportions, person.align_strength)


def forget_all() -> None:
    _known.clear()


def _remembered(key: Hashable, find: Callable[[], Proportions]) -> Proportions:
    """What `find` gives or raises, found once for each `key`."""
    if key not in _known:
        try:
            _known[key] = find()
        except UnderstudyError as error:
            _known[key] = error.with_traceback(None)  # which would keep what it was found in
    found = _known[key]
    if isinstance(found, UnderstudyError):
        raise found
    return found


def _of_armature(owner: bpy.types.Object | None) -> Proportions:
    if owner is None:
        raise NoArmature("No armature is chosen whose proportions the skeleton is to have.", "Choose one under Align To.")
    person = find_person(Person(owner.name, owner, remembered(owner)))
    mapping = tuple(sorted(person.mapping.items())) if person.mapping else None

    def find() -> Proportions:
        return Rig(person, find_bones(person.armature, person.mapping)).samples().proportions()

    return _remembered((owner.session_uid, fingerprint(person.armature), mapping), find)


def _of_points(person: UnderstudyPerson) -> Proportions:
    picture = _picture(person)
    placed = {point.name: (point.position[0], point.position[1]) for point in person.points}

    def find() -> Proportions:
        points, present = keypoints(placed)
        return fit(points * _size(picture), present)

    return _remembered((picture, _changed(picture), *placed.items()), find)


def _of_picture(picture: Path) -> Proportions:
    beside = picture.with_suffix(".json")

    def find() -> Proportions:
        if pose := pose_in(_read(picture)):
            return measure(pose.points_cam[0, 0])
        if not beside.is_file():
            raise InvalidReference(
                f"{picture.name} does not tell where its joints are, and there is no {beside.name} beside it.",
                f"Draw it by Render Reference, or put OpenPose or COCO-WholeBody JSON there. {_BY_HAND}",
            )
        sequence = keypoint_json.read(beside, tuple(_size(picture)))
        if not sequence.present.shape[1]:
            raise InvalidReference(f"{beside.name} shows nobody.", _BY_HAND)
        return fit(sequence.pixels[0, 0], sequence.present[0, 0])

    return _remembered((picture, _changed(picture), _changed(beside)), find)


def _picture(person: UnderstudyPerson) -> Path:
    if not person.reference:
        raise InvalidReference("There is no reference picture for the person to be aligned to.")
    path = person.picture
    if _changed(path) is None:
        raise InvalidReference(f"The reference picture {path} is not there.")
    return path


def _read(picture: Path) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        raise InvalidReference(f"{picture} cannot be read ({error.strerror}).") from error


def _changed(path: Path) -> int | None:
    """When the file was last written; None where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _size(picture: Path) -> np.ndarray:
    try:
        loaded = imbuf.load(str(picture))
    except (OSError, ValueError) as error:
        raise InvalidReference(f"{picture} is not a picture.") from error
    if loaded is None:
        raise InvalidReference(f"{picture} is not a picture.")
    return np.array(loaded.size)
