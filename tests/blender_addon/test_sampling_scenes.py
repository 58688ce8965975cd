"""People as they stand in real scenes: linked, overridden, instanced, parented, constrained, driven, in NLA, stretched.

What is sampled is held against Blender's own evaluated objects and instances. The camera is level, at y = -5, 1 m high.
"""

import math

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector
from understudy.blender_addon.rigs import find_bones
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import Sampling, sample, validate
from understudy.core.errors import NoArmature, NotHumanoid, PoseError
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import INDEX

JOINTS = {
    f"{side}_{joint}": f"{bone}_{side[0]}"
    for side in ("left", "right")
    for joint, bone in (
        ("shoulder", "upperarm"), ("elbow", "lowerarm"), ("wrist", "hand"),
        ("hip", "thigh"), ("knee", "calf"), ("ankle", "foot"),
    )
}  # fmt: skip
FRAMES = (1, 4, 10)


@pytest.fixture
def scene() -> bpy.types.Scene:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return set_up(bpy.context.scene)


def set_up(scene) -> bpy.types.Scene:
    scene.camera = add(scene, "Camera", bpy.data.cameras.new("Camera"))
    scene.camera.location, scene.camera.rotation_euler = (0, -5, 1), (math.pi / 2, 0, 0)
    return scene


def add(scene, name, data=None) -> bpy.types.Object:
    entry = bpy.data.objects.new(name, data)
    scene.collection.objects.link(entry)
    return entry


def wave(armature) -> None:
    """Keyframes: the left arm turns, and the whole armature moves."""
    bone = armature.pose.bones["upperarm_l"]
    bone.rotation_mode = "XYZ"
    for frame in FRAMES:
        bone.rotation_euler = (0.1 * frame, 0, 0.05 * frame)
        bone.keyframe_insert("rotation_euler", frame=frame)
        armature.location.x = 0.02 * frame
        armature.keyframe_insert("location", frame=frame)


def take(scene, *people, **more) -> PoseClip:
    people = tuple(Person(entry.name, entry) for entry in people)
    return sample(scene, SampleOptions(people, FRAMES, 192, 256, **more))


def joints_of(clip, person=0) -> np.ndarray:
    """[T, 12, 3] in world space."""
    points = clip.points_cam[:, person, [INDEX[joint] for joint in JOINTS]]
    return points[..., [0, 2, 1]] * (1, 1, -1) + (0, -5, 1)


def joints_in_blender(scene, armature, instancer=None) -> np.ndarray:
    """[T, 12, 3] in world space, of the armature that Blender evaluates, or of its instance."""
    frames = []
    for frame in FRAMES:
        scene.frame_set(frame)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        found = [
            (instance.object, instance.matrix_world.copy())
            for instance in depsgraph.object_instances
            if instance.object.original == armature
            and (instance.parent.original if instance.is_instance else None) == instancer
        ]
        ((evaluated, world),) = found
        frames.append([world @ evaluated.pose.bones[bone].head for bone in JOINTS.values()])
    return np.array(frames)


def check(scene, clip, armature, instancer=None, person=0) -> None:
    expected = joints_in_blender(scene, armature, instancer)
    np.testing.assert_allclose(joints_of(clip, person), expected, atol=2e-5)
    assert np.ptp(expected, axis=0).max() > 0.05, "it moves"


def _non_uniform_scale(scene, armature):
    armature.scale = (1.3, 0.7, 1.1)
    armature.rotation_euler.z = 0.4


def _negative_scale(scene, armature):
    armature.scale = (-1, 1, 1)


def _scaled_parent_that_shears(scene, armature):
    armature.parent = add(scene, "Mount")
    armature.parent.scale = (1, 2, 0.5)
    armature.rotation_euler.y = 0.7


def _parented_empties(scene, armature):
    above = add(scene, "Above")
    armature.parent = add(scene, "Mount")
    armature.parent.parent = above
    above.rotation_euler.z, above.location.y = 0.5, 0.3
    above.keyframe_insert("rotation_euler", frame=1)
    above.rotation_euler.z = 1.5
    above.keyframe_insert("rotation_euler", frame=10)


def _bone_parent(scene, armature):
    mount = add(scene, "Mount", bpy.data.armatures.new("Mount"))
    bpy.context.view_layer.objects.active = mount
    bpy.ops.object.mode_set(mode="EDIT")
    mount.data.edit_bones.new("saddle").tail = (0, 0.3, 0.2)
    bpy.ops.object.mode_set(mode="OBJECT")
    mount.pose.bones["saddle"].rotation_mode = "XYZ"
    for frame, angle in ((1, 0), (10, 1)):
        mount.pose.bones["saddle"].rotation_euler.y = angle
        mount.pose.bones["saddle"].keyframe_insert("rotation_euler", frame=frame)
    armature.parent, armature.parent_type, armature.parent_bone = mount, "BONE", "saddle"


def _object_constraint(scene, armature):
    path = add(scene, "Target")
    path.location = (0.5, 0.2, 0.1)
    path.keyframe_insert("location", frame=1)
    path.location.z = 0.6
    path.keyframe_insert("location", frame=10)
    armature.constraints.new("COPY_LOCATION").target = path


def _inverse_kinematics(scene, armature):
    goal = add(scene, "Goal")
    goal.location = (0.4, -0.3, 1.2)
    constraint = armature.pose.bones["lowerarm_r"].constraints.new("IK")
    constraint.target, constraint.chain_count = goal, 2


def _driver(scene, armature):
    bone = armature.pose.bones["thigh_l"]
    bone.rotation_mode = "XYZ"
    bone.driver_add("rotation_euler", 0).driver.expression = "frame / 10"


def _nla(scene, armature):
    animation = armature.animation_data
    strip = animation.nla_tracks.new().strips.new("wave", 3, animation.action)
    strip.scale, strip.blend_type = 0.5, "ADD"
    animation.action = None


def _library_of_actions(scene, armature):
    track = armature.animation_data.nla_tracks.new()
    track.strips.new("under", 1, armature.animation_data.action)
    armature.animation_data.action_influence = 0.5


@pytest.mark.parametrize(
    "arrange",
    [
        _non_uniform_scale, _negative_scale, _scaled_parent_that_shears, _parented_empties, _bone_parent,
        _object_constraint, _inverse_kinematics, _driver, _nla, _library_of_actions,
    ],
)  # fmt: skip
def test_a_person_is_where_blender_evaluates_it(scene, make_armature, arrange):
    armature = make_armature(scene)
    wave(armature)
    arrange(scene, armature)
    check(scene, take(scene, armature), armature)


def test_every_instance_of_a_collection_is_a_person(scene, make_armature):
    armature = make_armature(scene)
    wave(armature)
    empties = [instance_of(scene, collect(armature, scene), name) for name in ("One", "Two")]
    empties[1].scale, empties[1].rotation_euler.z = (1, 1, 1.2), 1.0
    clip = take(scene, *empties)
    assert clip.people == ("One", "Two")
    for person, empty in enumerate(empties):
        check(scene, clip, armature, empty, person)
    assert np.linalg.norm(joints_of(clip, 0) - joints_of(clip, 1), axis=-1).min() > 0.05


def test_an_instance_in_an_instance_is_a_person(scene, make_armature):
    armature = make_armature(scene)
    wave(armature)
    inner = instance_of(scene, collect(armature, scene), "Inner")
    inner.location.y = 0.4
    outer = instance_of(scene, collect(inner, scene), "Outer")
    outer.rotation_euler.z = 0.5
    clip = take(scene, outer)
    (found,) = validate(scene, SampleOptions((Person("Outer", outer),), FRAMES, 192, 256))
    assert found.person.instancers == (outer, inner)
    for keyframes in (True, False):
        clip = take(scene, outer, keyframes=keyframes)
        expected = joints_in_blender(scene, armature, find_parent(scene, armature))
        np.testing.assert_allclose(joints_of(clip), expected, atol=2e-5)


def find_parent(scene, armature) -> bpy.types.Object:
    """Which empty Blender names as the one that makes the instance of a nested collection: versions differ."""
    instances = bpy.context.evaluated_depsgraph_get().object_instances
    return next(instance.parent.original for instance in instances if instance.object.original == armature)


def collect(entry, scene) -> bpy.types.Collection:
    """A collection that is in no scene, with `entry`, and an offset."""
    name = f"With {entry.name}"
    collection = bpy.data.collections.get(name)
    if collection is None:
        collection = bpy.data.collections.new(name)
        scene.collection.objects.unlink(entry)
        collection.objects.link(entry)
        collection.instance_offset = (0.1, 0.2, 0.05)
    return collection


def instance_of(scene, collection, name) -> bpy.types.Object:
    empty = add(scene, name)
    empty.instance_type, empty.instance_collection = "COLLECTION", collection
    return empty


def test_of_several_armatures_in_an_instance_the_one_that_moves_a_mesh_is_the_person(scene, make_armature):
    armature, control = make_armature(scene), make_armature(scene, name="Control")
    collection = collect(armature, scene)
    collection.objects.link(control)
    empty = instance_of(scene, collection, "One")
    with pytest.raises(NoArmature, match="'One' instances 2 armatures, not one"):
        take(scene, empty)
    body = bpy.data.objects.new("Body", bpy.data.meshes.new("Body"))
    collection.objects.link(body)
    body.modifiers.new("Armature", "ARMATURE").object = armature
    assert take(scene, empty).people == ("One",)
    collection.objects.unlink(armature)
    collection.objects.unlink(control)
    with pytest.raises(NoArmature, match="instances no armature"):
        take(scene, empty)


@pytest.fixture
def library(tmp_path, make_armature) -> str:
    """A file with the collection "Actor": a waving armature and its body."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    armature = make_armature(scene)
    wave(armature)
    body = bpy.data.meshes.new("Body")
    head = [(x * 0.08, y, z) for x in (-1, 1) for y in (-0.12, 0.08) for z in (1.5, 1.6, 1.75)]
    body.from_pydata(head, [], [])
    body = add(scene, "Body", body)
    body.vertex_groups.new(name="head").add(range(len(head)), 1.0, "REPLACE")
    body.modifiers.new("Armature", "ARMATURE").object = armature
    collection = bpy.data.collections.new("Actor")
    for entry in (armature, body):
        scene.collection.objects.unlink(entry)
        collection.objects.link(entry)
    path = str(tmp_path / "actor.blend")
    bpy.data.libraries.write(path, {collection})
    return path


def link(path) -> tuple[bpy.types.Scene, bpy.types.Collection]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.collections = ["Actor"]
    return set_up(bpy.context.scene), wanted.collections[0]


def test_a_linked_person_is_sampled_in_the_scene_and_as_an_instance(library):
    scene, collection = link(library)
    empty = instance_of(scene, collection, "Instance")
    empty.location.y = 0.5
    armature = next(entry for entry in collection.all_objects if entry.type == "ARMATURE")
    assert armature.library
    instanced = take(scene, empty)
    check(scene, instanced, armature, empty)
    scene.collection.children.link(collection)
    clip = take(scene, armature)
    check(scene, clip, armature)
    ear = INDEX["left_ear"]
    np.testing.assert_allclose(
        instanced.points_cam[..., ear, :] - clip.points_cam[..., ear, :], np.broadcast_to([0, 0, 0.5], (3, 1, 3)), atol=1e-5
    )


def test_an_overridden_person_is_sampled_with_what_overrides_it(library):
    scene, collection = link(library)
    override = collection.override_hierarchy_create(scene, bpy.context.view_layer)
    armature = next(entry for entry in override.all_objects if entry.type == "ARMATURE")
    assert armature.override_library and not armature.library
    bone = armature.pose.bones["thigh_l"]
    for frame, turn in ((1, 0.0), (10, 0.8)):
        bone.rotation_quaternion = Matrix.Rotation(turn, 3, "X").to_quaternion()
        bone.keyframe_insert("rotation_quaternion", frame=frame)
    clip = take(scene, armature)
    check(scene, clip, armature)
    assert clip.people == (armature.name,)


def test_a_crowd_keeps_its_order_and_its_depths(scene, make_armature):
    people = []
    for number, depth in enumerate((3.0, -1.0, 1.0, 0.0, 2.0)):
        people.append(make_armature(scene, name=f"Person {number}"))
        people[-1].location.y = depth
    clip = take(scene, *people)
    assert clip.people == tuple(f"Person {number}" for number in range(5))
    depths = clip.points_cam[0, :, INDEX["neck"], 2]
    np.testing.assert_allclose(depths, [8, 4, 6, 5, 7], atol=1e-5)


def test_a_thousand_frames_show_progress_and_can_be_stopped_at_any(scene, make_armature):
    armature = make_armature(scene)
    wave(armature)
    armature.pose.bones["head"].constraints.new("LIMIT_ROTATION")
    scene.frame_set(7)
    asked = SampleOptions((Person("Ann", armature),), range(1, 1001), 192, 256)
    fractions = []
    with Sampling(scene, asked) as sampling:
        while not sampling.advance(0) and sampling.fraction < 0.25:
            fractions.append(sampling.fraction)
    assert scene.frame_current == 7
    shown = [round(1000 * fraction) for fraction in fractions if fraction]
    assert shown == list(range(1, 250)), "frame by frame"


def _two_roots(armature):
    bones = armature.data.edit_bones
    prop = bones.new("prop")
    prop.head, prop.tail = (2, 0, 0), (2, 0, 1)
    bones["spine_01"].parent = None


def _tiny_bones(armature):
    for bone in armature.data.edit_bones:
        bone.use_connect = False
    for bone in armature.data.edit_bones:
        bone.tail = bone.head + Vector((0, 0, 1e-5))


def _no_deform_bones(armature):
    for bone in armature.data.edit_bones:
        bone.use_deform = False


def _any_roll(armature):
    for number, bone in enumerate(armature.data.edit_bones):
        bone.roll = number


@pytest.mark.parametrize("spoil", [_two_roots, _tiny_bones, _no_deform_bones, _any_roll])
def test_a_rig_that_is_not_as_it_should_be_gives_the_same_joints(scene, make_armature, spoil):
    good, bad = make_armature(scene), make_armature(scene, name="Bob")
    bpy.ops.object.mode_set(mode="EDIT")
    spoil(bad)
    bpy.ops.object.mode_set(mode="OBJECT")
    clip = take(scene, good, bad)
    np.testing.assert_allclose(joints_of(clip, 1), joints_of(clip, 0), atol=1e-5)
    assert np.isfinite(clip.points_cam).all()


def test_bones_scaled_to_nothing_are_no_error(scene, make_armature):
    """Games hide a head or a hand so."""
    armature = make_armature(scene)
    for bone in ("head", "hand_l"):
        armature.pose.bones[bone].scale = (0, 0, 0)
    clip = take(scene, armature)
    assert np.isfinite(clip.points_cam).all()
    assert not clip.visible[..., INDEX["nose"]].any()


def test_a_person_of_a_hundredth_of_the_size_is_a_small_person(scene, make_armature):
    armature = make_armature(scene)
    big = take(scene, armature)
    armature.scale = (0.01,) * 3
    small = take(scene, armature)
    np.testing.assert_allclose(joints_of(small), 0.01 * joints_of(big), atol=1e-5)
    np.testing.assert_array_equal(small.visible, big.visible)


def test_names_with_left_and_right_swapped_are_warned_of(scene, make_armature):
    armature = make_armature(scene)
    for bone in armature.data.bones:
        if bone.name.endswith(("_l", "_r")):
            bone.name = bone.name[:-1] + {"l": "R", "r": "L"}[bone.name[-1]]
    clip = take(scene, armature)
    assert clip.source["warnings"] == {"Ann": ["Left and right look swapped: the feet point backwards."]}


def test_one_bone_for_both_sides_is_refused(scene, make_armature):
    armature = make_armature(scene)
    mapping = {**find_bones(armature).mapping, "right_hand": "hand_l"}
    with pytest.raises(NotHumanoid, match="'hand_l' is both left hand and right hand"):
        sample(scene, SampleOptions((Person("Ann", armature, mapping),), FRAMES, 192, 256))


def test_an_instance_that_is_disabled_is_refused(scene, make_armature):
    empty = instance_of(scene, collect(make_armature(scene), scene), "One")
    empty.hide_viewport = True
    with pytest.raises(PoseError, match="disabled in viewports"):
        take(scene, empty)
