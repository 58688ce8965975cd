"""What the files that armatures came from call their bones, where the add-ons that read them keep it."""

from __future__ import annotations

import bpy


def find_aliases(armature: bpy.types.Object) -> dict[str, str]:
    """Bone name -> a VRM's humanoid role, such as `leftUpperArm`, or MMD's Japanese name; of the bones that have one."""
    return _vrm_roles(armature) or _mmd_names(armature)


def _vrm_roles(armature: bpy.types.Object) -> dict[str, str]:
    extension = getattr(armature.data, "vrm_addon_extension", None)
    if extension is None:
        return {}
    if extension.spec_version == "0.0":
        roles = [(human.bone, human.node.bone_name) for human in extension.vrm0.humanoid.human_bones]
    else:
        humans = extension.vrm1.humanoid.human_bones
        named = [(name, getattr(humans, name)) for name in humans.bl_rna.properties.keys()]  # noqa: SIM118  # a collection gives its items, not its names
        roles = [(_camel(name), human.node.bone_name) for name, human in named if hasattr(human, "node")]
    return {bone: role for role, bone in roles if bone in armature.data.bones}


def _mmd_names(armature: bpy.types.Object) -> dict[str, str]:
    names = {bone.name: getattr(bone, "mmd_bone", None) for bone in armature.pose.bones}
    return {bone: mmd.name_j for bone, mmd in names.items() if mmd and mmd.name_j}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))
