import dataclasses
import math

import bpy
import numpy as np
import pytest
from understudy.blender_addon import mapping
from understudy.blender_addon.live import Live, place
from understudy.blender_addon.people import people_of
from understudy.blender_addon.sample_options import SampleOptions, View
from understudy.blender_addon.sampling import sample
from understudy.blender_addon.viewpoint import look, look_at_viewport
from understudy.core.errors import PoseError
from understudy.core.pose.skeleton import INDEX

REGION = (800, 600)


@pytest.fixture
def live() -> Live:
    return Live()


def options_of(scene, **more) -> SampleOptions:
    settings = scene.understudy
    return SampleOptions(people_of(bpy.context), (scene.frame_current,), settings.width, settings.height, **more)


def poses_now(live, scene, options=None):
    """The poses, the problems and the eye, when everything has been found out."""
    options = options or options_of(scene)
    depsgraph = bpy.context.view_layer.depsgraph
    eye = look(scene, options, depsgraph)
    live.look(scene, options.people, depsgraph, eye)
    while not live.ready:
        live.prepare()
    return *live.look(scene, options.people, depsgraph, eye), eye


def view_of(matrix, lens_of) -> View:
    """A region that looks from `matrix` through the lens of a camera."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    window = lens_of.calc_matrix_camera(depsgraph, x=REGION[0], y=REGION[1])
    rows = [tuple(map(tuple, one)) for one in (matrix.inverted(), window)]
    return View(*rows, perspective=lens_of.data.type == "PERSP", through_camera=False, width=REGION[0], height=REGION[1])


def test_a_pose_is_what_sampling_samples(scene, character, live):
    for frame in (5, 40):
        scene.frame_set(frame)
        (pose,), problems, _ = poses_now(live, scene)
        clip = sample(scene, options_of(scene))
        assert not problems
        np.testing.assert_allclose(pose.points, clip.points_cam[0, 0], atol=1e-5)
        np.testing.assert_array_equal(pose.visible, clip.visible[0, 0])
    assert pose.title == "Understudy Demo: Mixamo, 98%"


def test_looking_does_not_go_to_another_frame(scene, character, live):
    visited = []

    def visit(*_):
        visited.append(scene.frame_current)

    scene.frame_set(20)
    bpy.app.handlers.frame_change_pre.append(visit)
    try:
        poses_now(live, scene)
    finally:
        bpy.app.handlers.frame_change_pre.remove(visit)
    assert not visited


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
def test_through_the_camera_all_is_where_the_engine_has_it(scene, character, live, kind):
    scene.camera.data.type, scene.camera.data.ortho_scale = kind, 2.5
    scene.camera.data.shift_x = 0.1
    bpy.context.view_layer.update()
    options = options_of(scene)
    poses, _, eye = poses_now(live, scene, options)
    figures = place(poses, eye, options, view_of(scene.camera.matrix_world, scene.camera))
    clip = sample(scene, options)
    (left, top), (right, bottom) = figures.picture
    assert (right - left) / (top - bottom) == pytest.approx(options.width / options.height)
    expected = [left, top] + clip.pixels()[0] * (right - left) / options.width * [1, -1]
    np.testing.assert_allclose(figures.points[0][clip.visible[0, 0]], expected[0][clip.visible[0, 0]], atol=0.05)


def test_what_is_off_the_picture_is_not_shown(scene, character, live):
    options = options_of(scene)
    poses, _, eye = poses_now(live, scene, options)
    view = view_of(scene.camera.matrix_world, scene.camera)
    assert place(poses, eye, options, view).shown[0, INDEX["left_ankle"]]
    scene.camera.data.shift_y = 0.5  # the feet go out of the picture's lower edge
    bpy.context.view_layer.update()
    poses, _, eye = poses_now(live, scene, options)
    shown = place(poses, eye, options, view).shown[0]
    assert not shown[INDEX["left_ankle"]]
    assert shown[INDEX["nose"]]


def test_from_elsewhere_the_same_keypoints_are_seen_in_their_places(scene, character, live):
    """The face is left out from behind, though this region looks at it: what counts is what the camera sees."""
    character.rotation_euler.z = 0
    character.animation_data_clear()
    other = scene.camera.copy()
    other.location, other.rotation_euler = (4, 0, 1), (math.pi / 2, 0, math.pi / 2)
    scene.collection.objects.link(other)
    bpy.context.view_layer.update()
    options = options_of(scene)
    poses, _, eye = poses_now(live, scene, options)
    view = view_of(other.matrix_world, other)
    figures = place(poses, eye, options, view)
    assert figures.picture is None
    np.testing.assert_array_equal(figures.shown[0], poses[0].visible)
    head = character.matrix_world @ character.pose.bones["mixamorig:LeftArm"].head
    beside = look_at_viewport(view, *REGION)
    seen = beside.intrinsics @ (beside.view @ [*head, 1])[:3]
    expected = seen[0] / seen[2], REGION[1] - seen[1] / seen[2]
    np.testing.assert_allclose(figures.points[0, INDEX["left_shoulder"]], expected, atol=0.1)


def test_limbs_are_thinner_in_a_region_that_stands_further_away(scene, character, live):
    options = options_of(scene)
    poses, _, eye = poses_now(live, scene, options)
    matrix = scene.camera.matrix_world.copy()
    sticks = []
    for distance in (0.5, 5.0):
        matrix.translation = scene.camera.matrix_world.translation + matrix.col[2].xyz * distance
        sticks.append(place(poses, eye, options, view_of(matrix, scene.camera)).sticks[0])
    assert sticks[1] == pytest.approx(sticks[0] * (4.35 + 0.5) / (4.35 + 5), rel=0.05)


def test_the_farthest_person_comes_first(scene, character, live):
    far = character.copy()
    far.animation_data_clear()
    far.location = (0.5, 2, 0)
    scene.collection.objects.link(far)
    scene.understudy.people.add().armature = far
    bpy.context.view_layer.update()
    options = options_of(scene)
    poses, problems, eye = poses_now(live, scene, options)
    figures = place(poses, eye, options, view_of(scene.camera.matrix_world, scene.camera))
    assert not problems and len(figures.points) == 2
    height = np.ptp(figures.points[:, [INDEX["neck"], INDEX["left_ankle"]], 1], axis=1)
    assert height[0] < height[1]


def test_a_missing_joint_is_marked_where_it_would_be(scene, character, live):
    (whole,), _, _ = poses_now(live, scene)
    mapping.choose(character, "left_forearm", "")
    (pose,), problems, _ = poses_now(live, scene)
    assert not problems
    assert pose.missing == ("left_forearm",)
    elbow = INDEX["left_elbow"]
    assert whole.visible[elbow] and not pose.visible[elbow]
    assert np.linalg.norm(pose.missing_points[0] - whole.points[elbow]) < 0.05
    assert pose.visible.sum() == whole.visible.sum() - 1


def test_a_missing_shoulder_leaves_no_neck(scene, character, live):
    mapping.choose(character, "right_upper_arm", "")
    (pose,), _, _ = poses_now(live, scene)
    assert not pose.visible[[INDEX["right_shoulder"], INDEX["neck"]]].any()
    assert pose.visible[INDEX["left_shoulder"]]


def test_a_rig_of_which_next_to_nothing_is_known_is_refused_with_the_reason(scene, character, live):
    mapping.remember(character, {"hips": "mixamorig:Hips"}, mapping.BY_HAND)
    poses, (problem,), _ = poses_now(live, scene)
    assert not poses and "lacks" in str(problem)


def test_an_armature_in_edit_mode_says_so_and_the_others_are_seen(scene, character, live):
    other = character.copy()
    other.data = character.data.copy()
    scene.collection.objects.link(other)
    other.select_set(False)
    scene.understudy.people.add().armature = other
    bpy.ops.object.mode_set(mode="EDIT")
    poses, (problem,), _ = poses_now(live, scene)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert len(poses) == 1
    assert "is in Edit Mode" in str(problem)


def test_a_changed_armature_is_looked_at_anew(scene, character, live):
    (before,), _, _ = poses_now(live, scene)
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in character.data.edit_bones:
        bone.head.z, bone.tail.z = bone.head.z * 2, bone.tail.z * 2
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.update()
    (after,), _, _ = poses_now(live, scene)
    assert np.ptp(after.points[:, 1]) > 1.5 * np.ptp(before.points[:, 1])


def test_a_removed_armature_is_no_error(scene, character, live):
    options = options_of(scene)
    depsgraph = bpy.context.view_layer.depsgraph
    poses_now(live, scene)
    scene.understudy.people.clear()
    bpy.data.objects.remove(character)
    eye = look(scene, dataclasses.replace(options, people=()), depsgraph)
    assert live.look(scene, people_of(bpy.context), depsgraph, eye) == ([], [])


def test_what_the_scene_hides_is_left_out_where_that_is_asked_for(scene, character, live):
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0, -1, 0.1))  # before the shins
    depsgraph = bpy.context.evaluated_depsgraph_get()
    options = options_of(scene, occlusion=True)
    eye = look(scene, options, depsgraph)
    (pose,), _ = live.look(scene, options.people, depsgraph, eye, (), True)
    clip = sample(scene, options)
    np.testing.assert_array_equal(pose.visible[:18], clip.visible[0, 0, :18])
    assert not pose.visible[INDEX["left_ankle"]]
    (pose,), _ = live.look(scene, options.people, depsgraph, eye)
    assert pose.visible[INDEX["left_ankle"]]


def test_the_face_follows_its_shape_keys(scene, character, live):
    mesh = bpy.data.meshes.new("Face")
    mesh.from_pydata([(0, 0, 1.6)], [], [])
    face = bpy.data.objects.new("Face", mesh)
    scene.collection.objects.link(face)
    face.modifiers.new("Armature", "ARMATURE").object = character
    for name in ("Basis", "jawOpen"):
        face.shape_key_add(name=name)
    (shut,), _, _ = poses_now(live, scene)
    face.data.shape_keys.key_blocks["jawOpen"].value = 1
    bpy.context.view_layer.update()
    (wide,), _, _ = poses_now(live, scene)
    assert np.abs(wide.points - shut.points).max() > 0.005
    np.testing.assert_allclose(wide.points, sample(scene, options_of(scene)).points_cam[0, 0], atol=1e-5)


def test_a_camera_that_is_not_flat_says_so(scene, character, live):
    scene.camera.data.type = "PANO"
    with pytest.raises(PoseError, match="not flat"):
        poses_now(live, scene)
