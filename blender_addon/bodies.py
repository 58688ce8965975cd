"""What of a scene belongs to a person's body."""

from __future__ import annotations

import bpy

from .sample_options import Person


def moves_with(entry: bpy.types.Object, armature: bpy.types.Object) -> bool:
    """Whether `entry` is skinned by the armature, or a descendant of it."""
    if entry.find_armature() == armature:
        return True
    above = entry.parent
    while above is not None and above != armature:
        above = above.parent
    return above is not None


def meshes_of(scene: bpy.types.Scene, person: Person) -> list[bpy.types.Object]:
    """The meshes that move with the person's armature, in the collection that is instanced where it is in one."""
    entries = person.instancers[-1].instance_collection.all_objects if person.instancers else scene.objects
    return [entry for entry in entries if entry.type == "MESH" and moves_with(entry, person.armature)]
