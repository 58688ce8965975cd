"""Who is in the take, and its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from ..core.errors import NoArmature
from . import mapping
from .alignment import find_alignment
from .sample_options import Alignment, Person

if TYPE_CHECKING:
    from .properties import UnderstudyPerson


def active_armature(context: bpy.types.Context) -> bpy.types.Object | None:
    """The active object if it is an armature, else the armature that moves it."""
    active = context.object
    if active is None or active.type == "ARMATURE":
        return active
    return active.find_armature()


def active_person(context: bpy.types.Context) -> UnderstudyPerson | None:
    """The one chosen in the list."""
    settings = context.scene.understudy
    return settings.people[min(settings.active_person, len(settings.people) - 1)] if settings.people else None


def active_owner(context: bpy.types.Context) -> bpy.types.Object | None:
    """Whose bones are looked at: the armature of the person chosen in the list, or the active one where the list is empty."""
    person = active_person(context)
    return person.armature if person else active_armature(context)


def find_nobody(context: bpy.types.Context) -> NoArmature | None:
    """That there is nobody of whom a take could be made, if so."""
    if context.scene.understudy.people or active_armature(context):
        return None
    return NoArmature("No person is in the list, and no armature is active.")


def add_person(context: bpy.types.Context, armature: bpy.types.Object) -> UnderstudyPerson:
    settings = context.scene.understudy
    person = settings.people.add()
    person.armature = armature
    settings.active_person = len(settings.people) - 1
    return person


def people_of(context: bpy.types.Context) -> tuple[Person, ...]:
    """Those of the list that have an armature, or the active armature where the list is empty.

    Raises `NoArmature` for an empty that does not instance one.
    """
    settings = context.scene.understudy
    armatures = [person.armature for person in settings.people] if settings.people else [active_armature(context)]
    return tuple(to_sample(one) for one in armatures if one)


def alignments_of(context: bpy.types.Context) -> tuple[Alignment | None, ...]:
    """Of `people_of`, in the same order. Raises `UnderstudyError` for proportions that cannot be found."""
    return tuple(find_alignment(person) for person in context.scene.understudy.people if person.armature)


def to_sample(armature: bpy.types.Object) -> Person:
    """Raises `NoArmature` for an empty that does not instance one."""
    return Person(armature.name, armature, mapping.remembered(armature))


def frames_of(scene: bpy.types.Scene) -> range:
    """The scene frames of the take."""
    settings = scene.understudy
    if settings.use_scene_range:
        return range(scene.frame_start, scene.frame_end + 1)
    return range(settings.frame_start, settings.frame_end + 1)
