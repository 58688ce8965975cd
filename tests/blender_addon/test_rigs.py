import math

import bpy
import pytest
from mathutils import Matrix, Vector
from understudy.blender_addon import mapping
from understudy.blender_addon.rigs import find_bones
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import validate
from understudy.core.errors import NoCamera, NotHumanoid


@pytest.fixture
def folded(scene, make_armature, bones_of_a_person):
    """Someone with meaningless names and, at rest, the legs turned up; the action puts them down from frame 20 on."""
    bones, names = bones_of_a_person(), {name: f"b{number}" for number, name in enumerate(bones_of_a_person())}
    turn = Matrix.Rotation(math.pi, 4, "Y")
    for suffix in ("_l", "_r"):
        hip = Vector(bones["thigh" + suffix][1])
        for part in ("thigh", "calf", "foot", "ball"):
            parent, *ends = bones[part + suffix]
            bones[part + suffix] = (parent, *(tuple(hip + turn @ (Vector(end) - hip)) for end in ends))
    renamed = {names[bone]: (names.get(parent), head, tail) for bone, (parent, head, tail) in bones.items()}
    armature = make_armature(scene, renamed)
    for suffix in ("_l", "_r"):
        thigh = armature.pose.bones[names["thigh" + suffix]]
        rest = thigh.bone.matrix_local.to_3x3()
        thigh.keyframe_insert("rotation_quaternion", frame=10)
        thigh.rotation_quaternion = (rest.inverted() @ turn.to_3x3() @ rest).to_quaternion()
        thigh.keyframe_insert("rotation_quaternion", frame=20)
    scene.frame_set(1)
    return armature, names


def test_where_the_rest_pose_makes_no_sense_the_armatures_own_action_shows_the_person(scene, folded):
    armature, names = folded
    visited = []

    def visit(*_):
        visited.append(scene.frame_current)

    thigh = armature.pose.bones[names["thigh_l"]]
    thigh.location.x = 0.001  # not keyed: it would stay nowhere but where nothing is touched
    bpy.app.handlers.frame_change_pre.append(visit)
    try:
        found = find_bones(armature)
    finally:
        bpy.app.handlers.frame_change_pre.remove(visit)
    wanted = {"head": "head", "left_thigh": "thigh_l", "left_shin": "calf_l", "left_foot": "foot_l", "left_hand": "hand_l"}
    assert {role: found.mapping[role] for role in wanted} == {role: names[bone] for role, bone in wanted.items()}
    assert not visited
    assert thigh.location.x == pytest.approx(0.001)
    assert thigh.rotation_quaternion.angle == pytest.approx(0), "as at frame 1"


def test_without_an_action_such_a_rest_pose_is_refused(folded):
    armature, _ = folded
    armature.animation_data_clear()
    with pytest.raises(NotHumanoid, match="Nor is it known by its shape"):
        find_bones(armature)


def push_down(armature: bpy.types.Object) -> None:
    """Leave the action to a strip of the NLA."""
    animation = armature.animation_data
    animation.nla_tracks.new().strips.new("Stand", 10, animation.action)
    animation.action = None


def constrain(armature: bpy.types.Object) -> None:
    """Let the bones copy those of another armature, which has the action."""
    source = armature.copy()
    bpy.context.scene.collection.objects.link(source)
    armature.animation_data_clear()
    for bone in armature.pose.bones:
        constraint = bone.constraints.new("COPY_ROTATION")
        constraint.target, constraint.subtarget = source, bone.name
        constraint.target_space = constraint.owner_space = "LOCAL"


@pytest.mark.parametrize("move", [push_down, constrain])
def test_a_person_whom_only_frames_show_is_found_there(scene, folded, move):
    armature, names = folded
    move(armature)
    scene.frame_start, scene.frame_end = 1, 40
    scene.frame_set(3, subframe=0.5)
    with pytest.raises(NotHumanoid, match="Press Detect in the bone mapping"):
        find_bones(armature)
    found = find_bones(armature, depsgraph=bpy.context.evaluated_depsgraph_get())
    assert (found.mapping["head"], found.mapping["left_foot"]) == (names["head"], names["foot_l"])
    assert (scene.frame_current, scene.frame_subframe) == (3, 0.5)
    options = SampleOptions((Person("Ann", armature),), range(1, 41), 64, 64, "CAMERA", None)
    with pytest.raises(NoCamera):  # which is looked for after the bones
        validate(scene, options)


def test_detect_looks_at_the_frames_and_the_panel_remembers(scene, folded):
    armature, names = folded
    push_down(armature)
    scene.frame_set(1)
    assert mapping.bones_of(armature).problem
    bpy.ops.understudy.detect_bones()
    assert mapping.bones_of(armature).bones["left_foot"] == names["foot_l"]


def test_no_frame_shows_a_person_in_what_is_none(scene, make_armature):
    row = {f"b{number}": (f"b{number - 1}" if number else None, (0, 0, number), (0, 0, number + 1)) for number in range(14)}
    armature = make_armature(scene, row)
    scene.frame_set(7)
    with pytest.raises(NotHumanoid, match="no trunk between"):
        find_bones(armature, depsgraph=bpy.context.evaluated_depsgraph_get())
    assert scene.frame_current == 7
