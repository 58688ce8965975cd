"""The person of the other tests, 1.7 m high, stands at the origin and looks at a camera at y = -5, 1 m high."""

import math

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import sample
from understudy.core.pose.skeleton import BODY_NAMES, INDEX

LEGS = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("knee", "ankle", "big_toe", "heel")]
KNEES = [INDEX["left_knee"], INDEX["right_knee"]]
ABOVE = [INDEX[name] for name in ("nose", "neck", "left_shoulder", "right_wrist", "left_elbow")]


@pytest.fixture
def scene() -> bpy.types.Scene:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.location, scene.camera.rotation_euler = (0, -5, 1), (math.pi / 2, 0, 0)
    return scene


def wall(y=-2.0, top=0.8) -> bpy.types.Object:
    """Across the picture, from the ground up to `top`."""
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0, y, top / 2), scale=(6, 0.1, top))
    return bpy.context.object


def visible(scene, *armatures, occlusion=True, frames=(1,)) -> np.ndarray:
    """[T, P, 134]"""
    people = tuple(Person(armature.name, armature) for armature in armatures)
    return sample(scene, SampleOptions(people, frames, 192, 256, occlusion=occlusion)).visible


def test_what_stands_before_a_keypoint_hides_it_only_where_that_is_asked(scene, make_armature):
    armature = make_armature(scene)
    free = visible(scene, armature)
    assert free[..., LEGS].all()
    np.testing.assert_array_equal(free, visible(scene, armature, occlusion=False))
    wall()
    hidden = visible(scene, armature)[0, 0]
    assert not hidden[LEGS].any()
    assert hidden[ABOVE].all()
    np.testing.assert_array_equal(visible(scene, armature, occlusion=False), free)


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
def test_what_is_behind_the_person_or_the_camera_hides_nothing(scene, make_armature, kind):
    scene.camera.data.type = kind
    armature = make_armature(scene)
    for y in (1, -6):
        wall(y, 3)
    assert visible(scene, armature)[..., LEGS + ABOVE].all()
    wall(-3, 3)
    assert not visible(scene, armature).any()


def test_a_low_wall_before_an_orthographic_camera_hides_what_is_level_with_it(scene, make_armature):
    scene.camera.data.type = "ORTHO"
    armature = make_armature(scene)
    wall(-4.5, 0.8)  # a perspective camera, 1 m high, would see it far below
    shown = visible(scene, armature)[0, 0]
    assert not shown[LEGS].any()
    assert shown[ABOVE].all()
    scene.camera.data.type = "PERSP"
    assert visible(scene, armature)[0, 0, KNEES].all()


def test_the_ground_does_not_hide_the_feet_that_stand_on_it(scene, make_armature):
    armature = make_armature(scene)
    scene.camera.location.z, scene.camera.rotation_euler.x = 3, math.radians(68)
    bpy.ops.mesh.primitive_plane_add(size=20)
    assert visible(scene, armature)[0, 0, LEGS].all()


def test_the_persons_own_body_and_props_hide_nothing_but_another_persons_do(scene, make_armature):
    ann, bob = make_armature(scene), make_armature(scene, name="Bob")
    bob.location.y = 1.0
    body, prop = wall(-0.5, 1.8), wall(-0.6, 1.8)
    body.modifiers.new("Armature", "ARMATURE").object = ann
    prop.parent = ann
    shown = visible(scene, ann, bob)[0]
    assert shown[0, LEGS + ABOVE].all()
    assert not shown[1, : len(BODY_NAMES)].any()


@pytest.mark.parametrize("how", ["WIRE", "hidden by the eye", "invisible to cameras", "an empty"])
def test_what_is_not_drawn_solid_hides_nothing(scene, make_armature, how):
    armature, before = make_armature(scene), wall()
    if how == "WIRE":
        before.display_type = "WIRE"
    elif how == "hidden by the eye":
        before.hide_set(True)
    elif how == "invisible to cameras":
        before.visible_camera = False
    else:
        bpy.data.objects.remove(before)
        bpy.ops.object.empty_add(type="CUBE", radius=3, location=(0, -2, 0))
    assert visible(scene, armature)[..., LEGS].all()


def test_a_mesh_that_is_made_into_a_curve_hides_nothing(scene, make_armature):
    armature, before = make_armature(scene), wall()
    tree = bpy.data.node_groups.new("Outline", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    first, outline, last = map(tree.nodes.new, ("NodeGroupInput", "GeometryNodeMeshToCurve", "NodeGroupOutput"))
    tree.links.new(first.outputs[0], outline.inputs[0])
    tree.links.new(outline.outputs[0], last.inputs[0])
    before.modifiers.new("Outline", "NODES").node_group = tree
    assert visible(scene, armature)[..., LEGS].all()


def test_instances_and_moving_and_modified_geometry_count(scene, make_armature):
    armature, before = make_armature(scene), wall()
    before.location.x = 100
    scene.collection.objects.unlink(before)
    collection = bpy.data.collections.new("Scenery")
    collection.objects.link(before)
    empty = bpy.data.objects.new("Instance", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", collection
    scene.collection.objects.link(empty)
    for frame, x in ((1, 0.0), (2, -100.0)):
        empty.location.x = x
        empty.keyframe_insert("location", frame=frame)
    shown = visible(scene, armature, frames=(1, 2))
    assert shown[0, 0, LEGS].all()
    assert not shown[1, 0, LEGS].any()
    array = before.modifiers.new("Stack", "ARRAY")
    array.use_relative_offset, array.use_constant_offset, array.count = False, True, 3
    array.constant_offset_displace = (0, 0, 1)
    assert not visible(scene, armature, frames=(2,))[0, 0, ABOVE].any()


def test_each_instance_of_a_person_is_hidden_by_the_other(scene, make_armature):
    armature, body = make_armature(scene), wall(0, 1.8)
    body.scale.x = 0.3
    body.modifiers.new("Armature", "ARMATURE").object = armature
    collection = bpy.data.collections.new("Actor")
    for entry in (armature, body):
        scene.collection.objects.unlink(entry)
        collection.objects.link(entry)
    empties = []
    for name, y in (("Front", -1), ("Back", 1)):
        empty = bpy.data.objects.new(name, None)
        empty.instance_type, empty.instance_collection, empty.location = "COLLECTION", collection, (0, y, 0)
        scene.collection.objects.link(empty)
        empties.append(empty)
    front, back = visible(scene, *empties)[0]
    assert front[LEGS + ABOVE].all()
    assert not back[LEGS].any()


def test_where_the_rest_pose_does_not_stand_a_frame_that_does_is_looked_for(scene, make_armature, bones_of_a_person):
    """It tells where the keypoints are, for the frames before it too."""
    bones = bones_of_a_person()
    for suffix, sign in (("_l", 1), ("_r", -1)):
        turn, hip = Matrix.Rotation(-sign * math.pi / 2, 4, "Y"), Vector(bones["thigh" + suffix][1])
        for part in ("thigh", "calf", "foot", "ball"):
            parent, *ends = bones[part + suffix]
            bones[part + suffix] = (parent, *(tuple(hip + turn @ (Vector(end) - hip)) for end in ends))
    armature = make_armature(scene, bones)
    for suffix, sign in (("_l", 1), ("_r", -1)):
        thigh = armature.pose.bones["thigh" + suffix]
        rest = thigh.bone.matrix_local.to_3x3()
        for frame, angle in ((1, 0), (5, sign * math.pi / 2)):
            thigh.rotation_quaternion = (rest.inverted() @ Matrix.Rotation(angle, 3, "Y") @ rest).to_quaternion()
            thigh.keyframe_insert("rotation_quaternion", frame=frame)
    wall()
    shown = visible(scene, armature, frames=range(1, 6))[:, 0]
    assert shown[0, LEGS].all(), "stretched out sideways, above the wall"
    assert not shown[4, LEGS].any()
    assert shown[:, ABOVE].all()
