import math

import bpy
import pytest
from mathutils import Matrix, Vector
from understudy.blender_addon.rigs import find_bones
from understudy.core.errors import NotHumanoid


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
