"""What keyframes tell, against what Blender evaluates frame by frame."""

import math
import random

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Quaternion
from understudy.blender_addon.sample_options import Person, SampleOptions, View
from understudy.blender_addon.sampling import Sampling, sample
from understudy.core.errors import PoseError

MODES = ("QUATERNION", "AXIS_ANGLE", "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")
INHERIT = ("FULL", "FIX_SHEAR", "ALIGNED", "AVERAGE", "NONE", "NONE_LEGACY")
FRAMES = range(-3, 31)


@pytest.fixture
def scene() -> bpy.types.Scene:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.camera = add(scene, "Camera", bpy.data.cameras.new("Camera"))
    scene.camera.location, scene.camera.rotation_euler = (0.3, -6, 1.2), (1.5, 0.02, 0.1)
    return scene


def add(scene, name, data=None) -> bpy.types.Object:
    entry = bpy.data.objects.new(name, data)
    scene.collection.objects.link(entry)
    return entry


def key(owner, path, values, frame) -> None:
    setattr(owner, path, values)
    owner.keyframe_insert(path, frame=frame)


def dance(owner, seed, frames=(1, 8, 9, 24), scale=0.0) -> None:
    """Random keyframes of location and rotation in the owner's own rotation mode, and of scale where it is given."""
    luck = random.Random(seed)
    for frame in frames:
        key(owner, "location", [luck.uniform(-0.2, 0.2) for _ in range(3)], frame)
        if owner.rotation_mode == "QUATERNION":
            key(owner, "rotation_quaternion", [luck.uniform(0.5, 2), *(luck.uniform(-0.5, 0.5) for _ in range(3))], frame)
        elif owner.rotation_mode == "AXIS_ANGLE":
            key(owner, "rotation_axis_angle", [luck.uniform(-1, 1) for _ in range(4)], frame)
        else:
            key(owner, "rotation_euler", [luck.uniform(-0.8, 0.8) for _ in range(3)], frame)
        if scale:
            key(owner, "scale", [1 + luck.uniform(-scale, scale) for _ in range(3)], frame)


def options(*armatures, frames=FRAMES, **more) -> SampleOptions:
    return SampleOptions(tuple(Person(armature.name, armature) for armature in armatures), frames, 192, 256, **more)


def check(scene, *armatures, **more) -> None:
    """Keyframes tell all, and the same to 0.01 mm."""
    asked = options(*armatures, **more)
    with Sampling(scene, asked) as sampling:
        assert sampling.obstacle is None
        sampling.advance(math.inf)
        assert sampling.obstacle is None, "checked in Blender"
        clip = sampling.finish().clip()
    slow = options(*armatures, keyframes=False, **more)
    with Sampling(scene, slow) as sampling:
        sampling.advance(math.inf)
        assert sampling.obstacle
        expected = sampling.finish().clip()
    np.testing.assert_array_equal(clip.visible, expected.visible)
    np.testing.assert_allclose(clip.points_cam, expected.points_cam, atol=1e-5)
    np.testing.assert_allclose(clip.intrinsics, expected.intrinsics, rtol=1e-6)
    np.testing.assert_allclose(clip.pixels(), expected.pixels(), atol=0.02)
    assert np.ptp(clip.points_cam, axis=0).max() > 0.1


def turns_to_frames(scene, armature, because) -> None:
    with Sampling(scene, options(armature)) as sampling:
        assert because in sampling.obstacle
        sampling.advance(math.inf)
        clip = sampling.finish().clip()
    assert clip.digest() == sample(scene, options(armature, keyframes=False)).digest()


@pytest.mark.parametrize("mode", MODES)
def test_every_rotation_mode_of_bones_and_objects(scene, make_armature, mode):
    armature = make_armature(scene)
    armature.rotation_mode = scene.camera.rotation_mode = mode
    dance(armature, 1)
    for number, bone in enumerate(armature.pose.bones):
        bone.rotation_mode = mode
        dance(bone, number)
    check(scene, armature)


@pytest.mark.parametrize("inherit_scale", INHERIT)
@pytest.mark.parametrize("scale", [0.0, 0.3])
def test_every_way_to_inherit_a_parents_transform(scene, make_armature, inherit_scale, scale):
    armature = make_armature(scene)
    luck = random.Random(3)
    for number, bone in enumerate(armature.pose.bones):
        dance(bone, number, scale=scale)
        if luck.random() < 0.5:
            bone.bone.inherit_scale = inherit_scale
            bone.bone.use_local_location, bone.bone.use_inherit_rotation = luck.random() < 0.5, luck.random() < 0.5
    check(scene, armature)


def test_a_connected_bone_keeps_to_its_parents_tail(scene, make_armature):
    armature = make_armature(scene)
    bpy.ops.object.mode_set(mode="EDIT")
    for name in ("lowerarm_l", "calf_r"):
        armature.data.edit_bones[name].use_connect = True
    bpy.ops.object.mode_set(mode="OBJECT")
    for number, bone in enumerate(armature.pose.bones):
        dance(bone, number)
    check(scene, armature)


def test_what_is_not_keyed_stands_as_it_is(scene, make_armature):
    armature = make_armature(scene)
    dance(armature.pose.bones["spine_01"], 1)
    armature.pose.bones["upperarm_l"].rotation_quaternion = Quaternion((1, 0, 0), 0.7)
    armature.scale = (1.2, 0.8, 1.5)
    check(scene, armature)


def test_parented_empties_with_keyframes_and_a_scale_of_a_hundredth(scene, make_armature):
    armature = make_armature(scene, size=100)
    mount, world = add(scene, "Mount"), add(scene, "World")
    armature.parent, mount.parent = mount, world
    armature.scale, world.scale = (0.01,) * 3, (1.1, 0.9, 1.3)
    armature.matrix_parent_inverse = Matrix.Translation((0.1, 0.2, 0.3)) @ Matrix.Rotation(0.3, 4, "X")
    for number, owner in enumerate((mount, world, *armature.pose.bones[:4])):
        dance(owner, number)
    for bone in armature.pose.bones:
        bone.location *= 10
    check(scene, armature)


def test_zero_quaternions_and_axes_turn_as_in_blender(scene, make_armature):
    armature = make_armature(scene)
    dance(armature, 2)
    arm, leg = armature.pose.bones["upperarm_l"], armature.pose.bones["thigh_l"]
    leg.rotation_mode = "AXIS_ANGLE"
    key(arm, "rotation_quaternion", (0, 0, 0, 0), 1)
    key(leg, "rotation_axis_angle", (1, 0, 0, 0), 1)
    check(scene, armature)


def test_names_with_quotes_are_found_in_data_paths(scene, make_armature):
    armature = make_armature(scene)
    bone = armature.pose.bones["pelvis"]
    bone.name = 'root "of\\all"'
    dance(bone, 5)
    asked = Person("Ann", armature, {**mapping_of(make_armature(scene, name="Bob")), "hips": bone.name})
    with Sampling(scene, SampleOptions((asked,), FRAMES, 192, 256)) as sampling:
        sampling.advance(math.inf)
        assert sampling.obstacle is None
        clip = sampling.finish().clip()
    slow = sample(scene, SampleOptions((asked,), FRAMES, 192, 256, keyframes=False))
    np.testing.assert_allclose(clip.points_cam, slow.points_cam, atol=1e-5)


def mapping_of(armature) -> dict[str, str]:
    from understudy.blender_addon.rigs import find_bones

    return dict(find_bones(armature).mapping)


def test_camera_its_lens_and_its_cuts_are_followed(scene, make_armature):
    armature = make_armature(scene)
    dance(armature, 1)
    dolly = add(scene, "Dolly")
    dolly.location = (0, -6, 1)
    for camera in (scene.camera, other := add(scene, "Other", bpy.data.cameras.new("Other"))):
        camera.parent = dolly
        dance(camera, 2)
        camera.matrix_parent_inverse = Matrix.Rotation(1.5, 4, "X")
        for frame, lens, shift in ((2, 35, 0.1), (20, 70, -0.2)):
            key(camera.data, "lens", lens, frame)
            key(camera.data, "shift_x", shift, frame)
    other.data.type = "ORTHO"
    hidden = add(scene, "Hidden", bpy.data.cameras.new("Hidden"))
    hidden.hide_render = True
    for name, frame, camera in (("b", 14, other), ("a", 5, scene.camera), ("c", 9, hidden), ("d", 20, scene.camera)):
        scene.timeline_markers.new(name, frame=frame).camera = camera
    scene.timeline_markers.new("no camera", frame=16)
    before = scene.camera
    check(scene, armature)
    assert scene.camera == before
    clip = sample(scene, options(armature))
    assert [bool(flat) for flat in clip.orthographic] == [14 <= frame < 20 for frame in FRAMES]


def test_before_the_first_marker_the_first_markers_camera_looks(scene, make_armature):
    armature = make_armature(scene)
    dance(armature, 1)
    other = add(scene, "Other", bpy.data.cameras.new("Other"))
    other.location, other.rotation_euler = (1, -4, 1), (math.pi / 2, 0, 0)
    scene.timeline_markers.new("late", frame=50).camera = other
    check(scene, armature)


def test_a_viewport_needs_no_camera(scene, make_armature):
    armature = make_armature(scene)
    dance(armature, 1)
    camera = scene.camera
    bpy.context.view_layer.update()
    window = camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=192, y=256)
    rows = [tuple(map(tuple, matrix)) for matrix in (camera.matrix_world.inverted(), window)]
    bpy.data.objects.remove(camera)
    view = View(*rows, perspective=True, through_camera=False, width=192, height=256)
    check(scene, armature, source="VIEWPORT", view=view)


def test_a_camera_that_looks_nowhere_is_refused_with_its_frame(scene, make_armature):
    armature = make_armature(scene)
    for frame, size in ((1, 1.0), (10, 1.0), (11, 0.0), (12, 1.0)):
        key(scene.camera, "scale", (size,) * 3, frame)
    with pytest.raises(PoseError, match="no size or direction at scene frame 11"):
        sample(scene, options(armature))


def test_the_instances_of_a_collection_are_people(scene, make_armature):
    armature = make_armature(scene)
    for number, bone in enumerate(armature.pose.bones):
        dance(bone, number)
    empties = instance(scene, armature)
    dance(empties[1], 7)
    check(scene, *empties)


def instance(scene, armature) -> list[bpy.types.Object]:
    """Two empties that instance a collection with the armature, which leaves the scene's own."""
    collection = bpy.data.collections.new("Actor")
    collection.instance_offset = (0.2, 0.3, 0.1)
    scene.collection.objects.unlink(armature)
    collection.objects.link(armature)
    empties = [add(scene, name) for name in ("One", "Two")]
    for number, empty in enumerate(empties):
        empty.instance_type, empty.instance_collection = "COLLECTION", collection
        empty.location = (number, 0.5, 0)
        empty.scale = (1, 1.2, 0.9)
    return empties


def _constraint(scene, armature):
    armature.pose.bones["spine_01"].constraints.new("LIMIT_ROTATION")


def _ik(scene, armature):
    armature.pose.bones["index_03_l"].constraints.new("IK").chain_count = 3


def _object_constraint(scene, armature):
    armature.constraints.new("COPY_LOCATION").target = scene.camera


def _camera_constraint(scene, armature):
    scene.camera.constraints.new("TRACK_TO").target = armature


def _driver(scene, armature):
    armature.pose.bones["thigh_l"].driver_add("location", 0).driver.expression = "frame / 100"


def _lens_driver(scene, armature):
    scene.camera.data.driver_add("lens").driver.expression = "30 + frame"


def _nla(scene, armature):
    animation = armature.animation_data
    animation.nla_tracks.new().strips.new("walk", 1, animation.action)
    animation.action = None


def _bone_parent(scene, armature):
    mount = make_mount(scene)
    armature.parent, armature.parent_type, armature.parent_bone = mount, "BONE", "bone"


def make_mount(scene):
    mount = add(scene, "Mount", bpy.data.armatures.new("Mount"))
    bpy.context.view_layer.objects.active = mount
    bpy.ops.object.mode_set(mode="EDIT")
    mount.data.edit_bones.new("bone").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    dance(mount.pose.bones["bone"], 3)
    return mount


def _parents_constraint(scene, armature):
    armature.parent = add(scene, "Mount")
    armature.parent.constraints.new("COPY_LOCATION").target = scene.camera


def _rest(scene, armature):
    armature.data.pose_position = "REST"


def _delta(scene, armature):
    armature.delta_location.x = 1


def _rotation_mode(scene, armature):
    bone = armature.pose.bones["thigh_l"]
    key(bone, "rotation_mode", "XYZ", 10)


def _bone_animation(scene, armature):
    armature.data.bones["thigh_l"].driver_add("use_inherit_rotation").driver.expression = "frame > 8"


def _handler(scene, armature):
    bpy.app.handlers.frame_change_post.append(lambda scene, _: None)


def _builtin_handler(scene, armature):
    bpy.app.handlers.frame_change_post.append("frame {} of {}".format)


def _time_stretch(scene, armature):
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 150


def _scene_animation(scene, armature):
    key(scene, "gravity", (0, 0, -9.0), 1)


def _camera_type(scene, armature):
    key(scene.camera.data, "sensor_fit", "VERTICAL", 10)


@pytest.mark.parametrize(
    ("complicate", "because"),
    [
        (_constraint, "'spine_01' of 'Ann' has constraints"),
        (_ik, "inverse kinematics"),
        (_object_constraint, "'Ann' has constraints"),
        (_camera_constraint, "'Camera' has constraints"),
        (_driver, "'Ann' has drivers"),
        (_lens_driver, "has drivers"),
        (_nla, "NLA"),
        (_bone_parent, "parent of type Bone"),
        (_parents_constraint, "'Mount' has constraints"),
        (_rest, "rest pose"),
        (_delta, "delta"),
        (_rotation_mode, "rotation_mode"),
        (_bone_animation, "armature data"),
        (_handler, "acts on every frame"),
        (_builtin_handler, "a script acts on every frame"),
        (_time_stretch, "stretches time"),
        (_scene_animation, "scene 'Scene' is animated"),
        (_camera_type, "sensor_fit"),
    ],
)
def test_whatever_is_more_than_keyframes_is_left_to_blender(scene, make_armature, complicate, because):
    armature = make_armature(scene)
    for number, bone in enumerate(armature.pose.bones):
        dance(bone, number)
    check(scene, armature)
    complicate(scene, armature)
    try:
        turns_to_frames(scene, armature, because)
    finally:
        bpy.app.handlers.frame_change_post.clear()


def test_what_only_blender_knows_of_is_found_out_at_the_ends_of_the_range(scene, make_armature, monkeypatch):
    """The check holds where a look at the scene would not: here nothing is looked at."""
    armature = make_armature(scene)
    dance(armature.pose.bones["pelvis"], 1)
    armature.pose.bones["pelvis"].constraints.new("LIMIT_ROTATION").use_limit_x = True
    monkeypatch.setattr("understudy.blender_addon.sampling.find_obstacle", lambda *_: None)
    with Sampling(scene, options(armature)) as sampling:
        assert sampling.obstacle is None
        sampling.advance(math.inf)
        assert "something else than keyframes" in sampling.obstacle
        clip = sampling.finish().clip()
    assert clip.digest() == sample(scene, options(armature, keyframes=False)).digest()


def test_constraints_that_move_none_of_the_bones_asked_for_do_no_harm(scene, make_armature):
    armature = make_armature(scene)
    bpy.ops.object.mode_set(mode="EDIT")
    prop = armature.data.edit_bones.new("sword")
    prop.head, prop.tail, prop.parent = (1, 0, 1), (1, 0, 2), armature.data.edit_bones["hand_l"]
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.pose.bones["sword"].constraints.new("COPY_LOCATION").target = scene.camera
    dance(armature.pose.bones["upperarm_l"], 1)
    check(scene, armature)


def test_the_steps_are_short_and_the_scene_goes_only_to_both_ends(scene, make_armature):
    armature = make_armature(scene)
    for number, bone in enumerate(armature.pose.bones):
        dance(bone, number, frames=(1, 400, 1000))
    went = []
    bpy.app.handlers.frame_change_post.append(went_to := lambda scene, _: went.append(scene.frame_current))
    went_to.__module__ = "understudy.test"
    scene.frame_set(5)
    went.clear()
    try:
        with Sampling(scene, options(armature, frames=range(1, 1001))) as sampling:
            fractions = []
            while not sampling.advance(0):
                fractions.append(sampling.fraction)
            assert sampling.obstacle is None
    finally:
        bpy.app.handlers.frame_change_post.clear()
    assert went == [1, 1000, 5]
    assert len(set(fractions)) > 4
    assert fractions.count(0) > 5
    assert sorted(fractions) == fractions


def test_keyframes_deleted_while_they_are_read_end_in_an_error(scene, make_armature):
    armature = make_armature(scene)
    for number, bone in enumerate(armature.pose.bones):
        dance(bone, number)
    with Sampling(scene, options(armature)) as sampling:
        for _ in range(3):
            assert not sampling.advance(0)
        armature.animation_data_clear()
        with pytest.raises(PoseError, match="removed or edited"):
            sampling.advance(math.inf)


def test_a_camera_deleted_after_its_keyframes_were_read_is_still_known(scene, make_armature):
    armature = make_armature(scene)
    dance(armature, 1)
    dance(scene.camera, 2)
    whole = sample(scene, options(armature, frames=range(1, 4001)))
    with Sampling(scene, options(armature, frames=range(1, 4001))) as sampling:
        while not sampling.fraction:
            sampling.advance(0)
        bpy.data.objects.remove(scene.camera)
        sampling.advance(math.inf)
        np.testing.assert_array_equal(sampling.finish().clip().points_cam, whole.points_cam)
