"""Armatures in instanced collections: each instance is a person of its own, in a place of its own and the same pose."""

from __future__ import annotations

from collections.abc import Iterator

import bpy
from mathutils import Matrix

from ..core.errors import NoArmature
from .sample_options import Person


def find_person(person: Person) -> Person:
    """`person` with the armature itself, where an empty that instances it was given. Raises `NoArmature`."""
    name, given, mapping, instancers = person
    if given is None:
        raise NoArmature(f"{name or 'A person'} has no armature.")
    if given.type == "ARMATURE":
        return person
    if not instances_collection(given):
        raise NoArmature(f"{given.name!r} is of type {given.type.title()}, not an armature.")
    found = list(_armatures(given))
    found = [one for one in found if _moves_a_mesh(*one)] or found
    if len(found) != 1:
        what = f"{len(found)} armatures" if found else "no armature"
        raise NoArmature(f"{given.name!r} instances {what}, not one.", "Instance a collection that holds one character.")
    (path, armature) = found[0]
    return Person(name, armature, mapping, (*instancers, *path))


def instances_collection(entry: bpy.types.Object) -> bool:
    return entry.instance_type == "COLLECTION" and entry.instance_collection is not None


def space_of(instancers: tuple[bpy.types.Object, ...], depsgraph: bpy.types.Depsgraph) -> Matrix:
    """World space of the instanced collection's objects to that of their instance, as `depsgraph` has it."""
    space = Matrix()
    for instancer in instancers:
        offset = Matrix.Translation(-instancer.instance_collection.instance_offset)
        space = space @ instancer.evaluated_get(depsgraph).matrix_world @ offset
    return space


def _armatures(instancer: bpy.types.Object) -> Iterator[tuple[tuple[bpy.types.Object, ...], bpy.types.Object]]:
    """The armatures of the instance and of those in it, each with the instancers that lead there."""
    for entry in instancer.instance_collection.all_objects:
        if entry.type == "ARMATURE":
            yield (instancer,), entry
        elif instances_collection(entry):
            for path, armature in _armatures(entry):
                yield (instancer, *path), armature


def _moves_a_mesh(path: tuple[bpy.types.Object, ...], armature: bpy.types.Object) -> bool:
    entries = path[-1].instance_collection.all_objects
    return any(entry.type == "MESH" and entry.find_armature() == armature for entry in entries)
