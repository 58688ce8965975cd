"""Stand-ins with the properties that the VRM add-on and mmd_tools keep, registered as theirs are."""

from collections.abc import Iterator

import bpy
import pytest
from understudy.blender_addon.aliases import find_aliases
from understudy.blender_addon.rigs import find_bones

VRM = {
    "pelvis": "hips", "spine_01": "spine", "spine_02": "chest", "neck_01": "neck", "head": "head",
    **{
        f"{bone}_{side[0]}": f"{side}{role}"
        for side in ("left", "right")
        for bone, role in (
            ("upperarm", "UpperArm"), ("lowerarm", "LowerArm"), ("hand", "Hand"),
            ("thigh", "UpperLeg"), ("calf", "LowerLeg"), ("foot", "Foot"), ("ball", "Toes"),
        )
    },
}  # fmt: skip
MMD = {
    "pelvis": "センター", "spine_01": "上半身", "neck_01": "首", "head": "頭",
    **{
        f"{bone}_{side}": f"{word}{name}"
        for side, word in (("l", "左"), ("r", "右"))
        for bone, name in (
            ("clavicle", "肩"), ("upperarm", "腕"), ("lowerarm", "ひじ"), ("hand", "手首"),
            ("thigh", "足"), ("calf", "ひざ"), ("foot", "足首"), ("ball", "つま先"),
        )
    },
}  # fmt: skip


@pytest.fixture
def nameless(make_armature) -> bpy.types.Object:
    """A person whose bones' names say nothing: "bone 0" and so on, `order` the number of the bone once called so."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    armature = make_armature(bpy.context.scene)
    armature["order"] = [bone.name for bone in armature.data.bones]
    for number, bone in enumerate(armature.data.bones):
        bone.name = f"bone {number}"
    return armature


def new_name(armature, bone) -> str:
    return f"bone {list(armature['order']).index(bone)}"


def group(name, **members) -> type:
    return type(name, (bpy.types.PropertyGroup,), {"__annotations__": members})


@pytest.fixture
def vrm_addon() -> Iterator[None]:
    node = group("Node", bone_name=bpy.props.StringProperty())
    human0 = group("Human0", bone=bpy.props.StringProperty(), node=bpy.props.PointerProperty(type=node))
    humanoid0 = group("Humanoid0", human_bones=bpy.props.CollectionProperty(type=human0))
    vrm0 = group("Vrm0", humanoid=bpy.props.PointerProperty(type=humanoid0))
    human1 = group("Human1", node=bpy.props.PointerProperty(type=node))
    bones1 = group("Bones1", **{snake(role): bpy.props.PointerProperty(type=human1) for role in VRM.values()})
    humanoid1 = group("Humanoid1", human_bones=bpy.props.PointerProperty(type=bones1))
    vrm1 = group("Vrm1", humanoid=bpy.props.PointerProperty(type=humanoid1))
    extension = group(
        "Extension",
        spec_version=bpy.props.StringProperty(),
        vrm0=bpy.props.PointerProperty(type=vrm0),
        vrm1=bpy.props.PointerProperty(type=vrm1),
    )
    classes = (node, human0, humanoid0, vrm0, human1, bones1, humanoid1, vrm1, extension)
    for each in classes:
        bpy.utils.register_class(each)
    bpy.types.Armature.vrm_addon_extension = bpy.props.PointerProperty(type=extension)
    yield
    del bpy.types.Armature.vrm_addon_extension
    for each in reversed(classes):
        bpy.utils.unregister_class(each)


def snake(role) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in role)


@pytest.fixture
def mmd_tools() -> Iterator[None]:
    mmd_bone = group("MmdBone", name_j=bpy.props.StringProperty())
    bpy.utils.register_class(mmd_bone)
    bpy.types.PoseBone.mmd_bone = bpy.props.PointerProperty(type=mmd_bone)
    yield
    del bpy.types.PoseBone.mmd_bone
    bpy.utils.unregister_class(mmd_bone)


def found(armature) -> dict[str, str]:
    """Role -> the name that its bone once had."""
    return {role: armature["order"][int(bone.split()[1])] for role, bone in find_bones(armature).mapping.items()}


def check(armature, aliases) -> None:
    expected = {new_name(armature, bone): alias for bone, alias in aliases.items()}
    assert find_aliases(armature) == expected
    roles = found(armature)
    assert roles["left_forearm"] == "lowerarm_l" and roles["right_foot"] == "foot_r" and roles["head"] == "head"


def test_a_vrm_0_says_which_bone_is_what(nameless, vrm_addon):
    extension = nameless.data.vrm_addon_extension
    extension.spec_version = "0.0"
    for bone, role in VRM.items():
        human = extension.vrm0.humanoid.human_bones.add()
        human.bone, human.node.bone_name = role, new_name(nameless, bone)
    extension.vrm0.humanoid.human_bones.add().bone = "jaw"  # which no bone plays
    check(nameless, VRM)


def test_a_vrm_1_says_which_bone_is_what(nameless, vrm_addon):
    extension = nameless.data.vrm_addon_extension
    extension.spec_version = "1.0"
    for bone, role in VRM.items():
        getattr(extension.vrm1.humanoid.human_bones, snake(role)).node.bone_name = new_name(nameless, bone)
    check(nameless, VRM)


def test_an_mmd_model_says_which_bone_is_what(nameless, mmd_tools):
    for bone, name in MMD.items():
        nameless.pose.bones[new_name(nameless, bone)].mmd_bone.name_j = name
    check(nameless, MMD)
    assert "MMD" in find_bones(nameless).family


def test_an_armature_that_came_from_neither_has_no_aliases(nameless, vrm_addon, mmd_tools):
    assert find_aliases(nameless) == {}
