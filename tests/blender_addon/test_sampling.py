import math
import time

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector
from understudy.blender_addon.rigs import find_bones
from understudy.blender_addon.sample_options import Person, SampleOptions, View
from understudy.blender_addon.sampling import Sampling, sample, validate
from understudy.core.errors import EmptyRange, InvalidClip, NoArmature, NoCamera, NotHumanoid, PoseError
from understudy.core.pose.skeleton import FACE, INDEX

JOINTS = {
    "left_shoulder": "upperarm_l", "left_elbow": "lowerarm_l", "left_wrist": "hand_l",
    "right_shoulder": "upperarm_r", "right_elbow": "lowerarm_r", "right_wrist": "hand_r",
    "left_hip": "thigh_l", "left_knee": "calf_l", "left_ankle": "foot_l",
    "right_hip": "thigh_r", "right_knee": "calf_r", "right_ankle": "foot_r",
}  # fmt: skip
HEAD = [INDEX[name] for name in ("nose", "right_eye", "left_eye", "right_ear", "left_ear")]
SIZE = (192, 256)


@pytest.fixture
def scene() -> bpy.types.Scene:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler = (0, -5, 1), (math.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    return scene


def animate(armature, frames=10) -> None:
    """Walk across, turn, bend the left elbow."""
    for frame in (1, frames):
        share = (frame - 1) / (frames - 1)
        armature.location.x = 0.4 * share
        armature.rotation_euler.z = math.pi * share
        armature.keyframe_insert("location", frame=frame)
        armature.keyframe_insert("rotation_euler", frame=frame)
        elbow = armature.pose.bones["lowerarm_l"]
        elbow.rotation_mode = "XYZ"
        elbow.rotation_euler.z = 1.2 * share
        elbow.keyframe_insert("rotation_euler", frame=frame)


def options(*armatures, frames=(1,), size=SIZE, **more) -> SampleOptions:
    return SampleOptions(tuple(Person(armature.name, armature) for armature in armatures), tuple(frames), *size, **more)


def sample_a_frame(sampling: Sampling) -> None:
    while not sampling.fraction:
        sampling.advance(0)


def blender_pixels(scene, armature, frame) -> np.ndarray:
    """The joints of the body [12, 2] as Blender itself projects them, at the scene's own resolution."""
    scene.frame_set(frame)
    pixels = []
    for bone in JOINTS.values():
        x, y, _ = world_to_camera_view(scene, scene.camera, armature.matrix_world @ armature.pose.bones[bone].head)
        pixels.append((x * scene.render.resolution_x, (1 - y) * scene.render.resolution_y))
    return np.array(pixels)


def clip_pixels(clip, frame_index=0, person=0) -> np.ndarray:
    return clip.pixels()[frame_index, person, [INDEX[joint] for joint in JOINTS]]


@pytest.mark.parametrize("size", [(192, 256), (320, 180)])
@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
@pytest.mark.parametrize("aspect", [(1, 1), (1, 1.7), (2, 1)])
def test_pixels_are_those_of_world_to_camera_view(scene, size, fit, kind, aspect, make_armature):
    armature = make_armature(scene)
    animate(armature)
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = aspect
    camera = scene.camera
    camera.rotation_euler = (1.45, 0.1, 0.05)
    camera.scale = (2, 2, 2)  # which Blender ignores
    data = camera.data
    data.type, data.sensor_fit, data.ortho_scale = kind, fit, 4.2
    data.shift_x, data.shift_y, data.sensor_width, data.sensor_height = 0.13, -0.21, 36, 20
    clip = sample(scene, options(armature, frames=(4,), size=size))
    np.testing.assert_allclose(clip_pixels(clip), blender_pixels(scene, armature, 4), atol=1e-4)


def test_an_animated_camera_and_lens_are_followed(scene, make_armature):
    armature = make_armature(scene)
    animate(armature)
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    camera = scene.camera
    for frame, x, lens, shift in ((1, -1.0, 35, 0.0), (10, 1.5, 80, 0.2)):
        camera.location.x, camera.data.lens, camera.data.shift_x = x, lens, shift
        camera.keyframe_insert("location", frame=frame)
        camera.data.keyframe_insert("lens", frame=frame)
        camera.data.keyframe_insert("shift_x", frame=frame)
    frames = (1, 3, 7, 10)
    clip = sample(scene, options(armature, frames=frames))
    assert clip.frames.tolist() == list(frames)
    assert len(np.unique(clip.intrinsics[:, 0, 0])) == 4
    for index, frame in enumerate(frames):
        np.testing.assert_allclose(clip_pixels(clip, index), blender_pixels(scene, armature, frame), atol=1e-4)


def test_a_camera_bound_to_a_marker_is_looked_through_and_switched_back(scene, make_armature):
    armature = make_armature(scene)
    for name, frame, x in (("start", 1, 0), ("cut", 5, 1)):
        scene.timeline_markers.new(name, frame=frame).camera = camera = scene.camera.copy()
        scene.collection.objects.link(camera)
        camera.location.x = x
    scene.frame_set(1)
    scene.camera = before = bpy.data.objects["Camera"]
    clip = sample(scene, options(armature, frames=(4, 5)))
    moved = clip.points_cam[1, 0, INDEX["neck"]] - clip.points_cam[0, 0, INDEX["neck"]]
    np.testing.assert_allclose(moved, [-1, 0, 0], atol=1e-6)
    assert scene.camera == before


def test_a_viewport_is_what_its_matrices_say(scene, make_armature):
    """A viewport with the camera's own matrices gives the camera's own picture."""
    armature = make_armature(scene)
    camera = scene.camera
    camera.data.shift_x, camera.data.shift_y = 0.1, -0.2
    for kind in ("PERSP", "ORTHO"):
        camera.data.type, camera.data.ortho_scale = kind, 3
        bpy.context.view_layer.update()
        window = camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=SIZE[0], y=SIZE[1])
        rows = [tuple(map(tuple, matrix)) for matrix in (camera.matrix_world.inverted(), window)]
        view = View(*rows, perspective=kind == "PERSP", through_camera=False, width=384, height=512)
        seen = sample(scene, options(armature, source="VIEWPORT", view=view))
        expected = sample(scene, options(armature))
        np.testing.assert_allclose(seen.pixels(), expected.pixels(), atol=1e-3)
        assert seen.orthographic.tolist() == [kind == "ORTHO"]


def test_a_viewport_through_the_camera_follows_the_camera(scene, make_armature):
    armature = make_armature(scene)
    nothing = ((0.0,) * 4,) * 4
    view = View(nothing, nothing, perspective=True, through_camera=True, width=10, height=10)
    seen = sample(scene, options(armature, source="VIEWPORT", view=view))
    np.testing.assert_array_equal(seen.pixels(), sample(scene, options(armature)).pixels())


def test_left_is_left_and_the_face_is_in_front(scene, make_armature):
    """A person who faces the camera has the left hand on the picture's right; walking away, no nose but two ears."""
    armature = make_armature(scene)
    animate(armature)
    clip = sample(scene, options(armature, frames=(1, 10)))
    x = clip.pixels()[:, 0, :, 0]
    assert x[0, INDEX["left_wrist"]] > x[0, INDEX["neck"]] > x[0, INDEX["right_wrist"]]
    assert x[1, INDEX["left_ankle"]] < x[1, INDEX["right_ankle"]]
    assert clip.visible[0, 0, HEAD].tolist() == [True] * 5
    assert clip.visible[1, 0, HEAD].tolist() == [False, False, False, True, True]
    assert clip.visible[0, 0, FACE].all()
    assert not clip.visible[1, 0, FACE].any()
    z = clip.points_cam[:, 0, :, 2]
    assert z[0, INDEX["nose"]] < z[0, INDEX["left_ear"]], "nearer to the camera"
    assert (clip.points_cam[..., 2] > 0).all(where=clip.visible)


def test_feet_and_the_hand_are_where_they_belong(scene, make_armature):
    armature = make_armature(scene)
    clip = sample(scene, options(armature))
    world = clip.points_cam[0, 0] * [1, 1, 1]
    x, y, z = world[:, 0], 1 - world[:, 1], world[:, 2] - 5  # the camera is level, at y = -5 and 1 m high
    for side, sign in (("left", 1), ("right", -1)):
        big, small, heel = (INDEX[f"{side}_{part}"] for part in ("big_toe", "small_toe", "heel"))
        assert z[big] == pytest.approx(-0.18, abs=0.005), "the end of the ball bone"
        assert sign * x[big] < 0.1 < sign * x[small]
        assert z[heel] > 0.02
        assert max(y[big], y[small], y[heel]) < 0.03, "on the ground"
    tip, hand = INDEX["left_hand_index_4"], INDEX["left_hand_wrist"]
    np.testing.assert_allclose(world[tip], [0.875, 1 - 1.4, 5], atol=1e-5)
    assert clip.visible[0, 0, [tip, hand]].all()
    assert not clip.visible[0, 0, INDEX["left_hand_thumb_1"]], "a bone that is not there"
    np.testing.assert_allclose(world[INDEX["neck"]], world[[INDEX["left_shoulder"], INDEX["right_shoulder"]]].mean(axis=0))


def test_the_size_of_the_armature_does_not_matter(scene, make_armature):
    """Imported FBX files have bones in centimetres under an object scaled by 0.01."""
    clip = sample(scene, options(make_armature(scene)))
    small = make_armature(scene, name="Bob", size=100)
    small.scale = (0.01,) * 3
    np.testing.assert_allclose(sample(scene, options(small)).points_cam, clip.points_cam, atol=1e-5)


def test_a_parents_transform_counts(scene, make_armature):
    clip = sample(scene, options(armature := make_armature(scene)))
    mount = bpy.data.objects.new("Mount", None)
    scene.collection.objects.link(mount)
    armature.parent, mount.location = mount, (0.5, 0, 0)
    moved = sample(scene, options(armature)).points_cam - clip.points_cam
    np.testing.assert_allclose(moved[clip.visible], np.tile([0.5, 0, 0], (clip.visible.sum(), 1)), atol=1e-5)


def test_the_axes_of_bones_do_not_matter(scene, make_armature, bones_of_a_person):
    """Importers give bones any roll and any tail; where the joints are is all that counts."""
    clip = sample(scene, options(make_armature(scene)))
    odd = {
        bone: (parent, head, tuple(Vector(head) + Vector((0, 0.1, 0))))
        for bone, (parent, head, _) in bones_of_a_person().items()
    }
    points = sample(scene, options(make_armature(scene, odd, "Bob"))).points_cam
    visible = clip.visible[0, 0]
    assert np.linalg.norm(points - clip.points_cam, axis=-1)[0, 0, visible].max() < 0.06, "tips and crown, from proportions"
    joints = [INDEX[joint] for joint in JOINTS]
    np.testing.assert_allclose(points[0, 0, joints], clip.points_cam[0, 0, joints], atol=1e-6)


def test_a_rest_pose_with_the_legs_sideways_is_not_calibrated_on(scene, make_armature, bones_of_a_person):
    expected = sample(scene, options(make_armature(scene)))
    bones = bones_of_a_person()
    for suffix, sign in (("_l", 1), ("_r", -1)):
        turn = Matrix.Rotation(-sign * math.pi / 2, 4, "Y")
        hip = Vector(bones["thigh" + suffix][1])
        for part in ("thigh", "calf", "foot", "ball"):
            parent, *ends = bones[part + suffix]
            bones[part + suffix] = (parent, *(tuple(hip + turn @ (Vector(end) - hip)) for end in ends))
    armature = make_armature(scene, bones, "Bob")
    for suffix, sign in (("_l", 1), ("_r", -1)):
        thigh = armature.pose.bones["thigh" + suffix]
        rest = thigh.bone.matrix_local.to_3x3()
        thigh.rotation_mode = "QUATERNION"
        back = Matrix.Rotation(sign * math.pi / 2, 3, "Y")
        thigh.rotation_quaternion = (rest.inverted() @ back @ rest).to_quaternion()
    clip = sample(scene, options(armature))
    np.testing.assert_allclose(clip.points_cam, expected.points_cam, atol=1e-5)
    for suffix in ("_l", "_r"):
        armature.pose.bones["thigh" + suffix].rotation_quaternion = (1, 0, 0, 0)
    with pytest.raises(NotHumanoid, match="stands upright neither"):
        sample(scene, options(armature))


def test_a_mesh_on_the_head_says_where_the_crown_is(scene, make_armature):
    armature = make_armature(scene)
    plain = sample(scene, options(armature))
    mesh = bpy.data.meshes.new("Body")
    head = [(x * 0.08, y, z) for x in (-1, 1) for y in (-0.12, 0.08) for z in (1.5, 1.6, 1.75)]
    mesh.from_pydata([*head, (0, 0, 2.4)], [], [])
    body = bpy.data.objects.new("Body", mesh)
    scene.collection.objects.link(body)
    group = body.vertex_groups.new(name="head")
    group.add(range(len(head)), 1.0, "REPLACE")
    group.add([len(head)], 0.2, "REPLACE")  # another bone moves this one
    body.modifiers.new("Armature", "ARMATURE").object = armature
    raised = sample(scene, options(armature)).points_cam - plain.points_cam
    np.testing.assert_allclose(raised[0, 0, INDEX["left_ear"], 1], -0.05, atol=0.01)  # 1.75 instead of the bone's 1.7
    mesh.vertices[2].co.z = 2.0  # a wizard's hat
    hatted = sample(scene, options(armature))
    np.testing.assert_allclose(hatted.points_cam, plain.points_cam, atol=1e-6)


def test_a_mesh_of_many_vertices_is_looked_at_in_short_steps(scene, make_armature):
    armature = make_armature(scene)
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=700, y_subdivisions=700, size=0.2, location=(0, 0, 1.6))
    grid = bpy.context.object
    grid.vertex_groups.new(name="head").add(range(len(grid.data.vertices)), 1.0, "REPLACE")
    grid.modifiers.new("Armature", "ARMATURE").object = armature
    with Sampling(scene, options(armature)) as sampling:
        longest, steps = 0.0, 0
        while not sampling.fraction:
            began, evaluated = time.thread_time(), sampling.evaluation_seconds
            sampling.advance(0)
            steps += 1
            if sampling.evaluation_seconds == evaluated:
                longest = max(longest, time.thread_time() - began)
    assert steps > 25
    assert longest < 0.06  # Blender's copying of the weights, which it shares until they are first read


@pytest.mark.parametrize("break_it", [lambda ann, _: _break(ann), lambda _, camera: _break(camera)])
def test_a_broken_transform_is_refused_with_its_frame(scene, break_it, make_armature):
    armature = make_armature(scene)
    break_it(armature.pose.bones["lowerarm_l"], scene.camera)
    with pytest.raises(InvalidClip, match=r"scene frame 3.*mend it there"):
        sample(scene, options(armature, frames=(1, 2, 3, 4)))


def _break(owner) -> None:
    """NaN in the location from frame 3 on."""
    for frame, x in ((1, 0.0), (2, 0.0), (3, math.nan)):
        owner.location.x = x
        owner.keyframe_insert("location", index=0, frame=frame)


def test_a_camera_without_size_is_refused(scene, make_armature):
    armature = make_armature(scene)
    scene.camera.scale = (0, 0, 0)
    with pytest.raises(PoseError, match="no size or direction at scene frame 1"):
        sample(scene, options(armature))


def test_people_are_sampled_side_by_side_under_unique_names(scene, make_armature):
    ann, bob = make_armature(scene), make_armature(scene, name="Bob")
    bob.location.x = 1
    people = (Person("Hero", ann), Person("Hero", bob))
    clip = sample(scene, SampleOptions(people, (1,), *SIZE))
    assert clip.people == ("Hero", "Hero 2")
    assert clip.source["rigs"] == {"Hero": "Unreal", "Hero 2": "Unreal"}
    apart = clip.points_cam[0, 1] - clip.points_cam[0, 0]
    np.testing.assert_allclose(apart[clip.visible[0, 0]], np.tile([1, 0, 0], (clip.visible[0, 0].sum(), 1)), atol=1e-6)


def test_the_users_mapping_names_bones_that_detection_does_not_know(scene, make_armature):
    expected = sample(scene, options(armature := make_armature(scene)))
    mapping = {str(role): bone for role, bone in find_bones(armature).mapping.items()}
    for bone in armature.data.bones:
        bone.name = f"x{bone.name}x"
    assert find_bones(armature).state("left_hand") == "guessed"
    mapping = {role: f"x{bone}x" for role, bone in mapping.items()}
    clip = sample(scene, SampleOptions((Person("Ann", armature, mapping),), (1,), *SIZE))
    np.testing.assert_array_equal(clip.points_cam, expected.points_cam)


def test_slices_give_the_same_clip_and_tell_how_far_they_are(scene, make_armature):
    armature = make_armature(scene)
    animate(armature)
    asked = options(armature, frames=range(1, 11), keyframes=False)
    with Sampling(scene, asked) as sampling:
        fractions = []
        while not sampling.advance(0):
            fractions.append(sampling.fraction)
            with pytest.raises(RuntimeError):
                sampling.finish()
        sliced = sampling.finish().clip()
    frames = [fraction for fraction in fractions if fraction]  # the meshes are looked at before the first one
    assert frames == pytest.approx([number / 10 for number in range(1, 10)]), "at least and at most one frame in no time"
    assert sliced.digest() == sample(scene, asked).digest()


def test_the_scenes_frame_is_restored_also_when_cancelled(scene, make_armature):
    armature = make_armature(scene)
    animate(armature)
    scene.frame_set(3, subframe=0.25)
    with Sampling(scene, options(armature, frames=(5, 6), keyframes=False)) as sampling:
        sample_a_frame(sampling)
        assert scene.frame_current == 5
    assert (scene.frame_current, scene.frame_subframe) == (3, 0.25)
    assert armature.location.x == pytest.approx(0.4 * 2.25 / 9, abs=0.05), "the scene is evaluated there, too"


def test_an_armature_removed_between_slices_is_an_error_and_the_frame_is_restored(scene, make_armature):
    armature = make_armature(scene)
    scene.frame_set(2)
    asked = options(armature, frames=(5, 6), keyframes=False)
    with pytest.raises(PoseError, match="removed"), Sampling(scene, asked) as sampling:
        sample_a_frame(sampling)
        bpy.data.objects.remove(armature)
        sampling.advance(0)
    assert scene.frame_current == 2


def _remove_bone(armature, _bodies) -> None:
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    armature.data.edit_bones.remove(armature.data.edit_bones["lowerarm_l"])
    bpy.ops.object.mode_set(mode="OBJECT")


def _enter_edit_mode(armature, _bodies) -> None:
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")


def _remove_bodies(_armature, bodies) -> None:
    for body in bodies:
        bpy.data.objects.remove(body)


def _remove_vertices(_armature, bodies) -> None:
    for body in bodies:
        body.data.clear_geometry()


def _remove_shape_key(_armature, bodies) -> None:
    bodies[0].shape_key_remove(bodies[0].data.shape_keys.key_blocks["jawOpen"])


@pytest.mark.parametrize(
    ("edit", "steps"), [(_remove_bone, 1), (_remove_bone, 60), (_enter_edit_mode, 60), (_remove_bodies, 1),
                        (_remove_bodies, 3), (_remove_vertices, 3), (_remove_shape_key, 60)]
)  # fmt: skip
def test_whatever_is_edited_between_slices_ends_in_an_error(scene, make_armature, edit, steps):
    armature, bodies = make_armature(scene), []
    for _ in range(4):
        bpy.ops.mesh.primitive_grid_add(x_subdivisions=60, y_subdivisions=60, size=0.2, location=(0, 0, 1.6))
        bodies.append(bpy.context.object)
        bodies[-1].vertex_groups.new(name="head").add(range(len(bodies[-1].data.vertices)), 1.0, "REPLACE")
        bodies[-1].modifiers.new("Armature", "ARMATURE").object = armature
    for name in ("Basis", "jawOpen"):
        bodies[0].shape_key_add(name=name)
    with Sampling(scene, options(armature, frames=range(1, 200), keyframes=False)) as sampling:
        for _ in range(steps):
            assert not sampling.advance(0)
        edit(armature, bodies)
        with pytest.raises(PoseError, match="removed or edited"):
            sampling.advance(float("inf"))


def test_an_armature_hidden_by_the_eye_is_sampled_and_a_disabled_one_refused(scene, make_armature):
    armature = make_armature(scene)
    animate(armature)
    expected = sample(scene, options(armature, frames=(7,)))
    armature.hide_set(True)
    assert sample(scene, options(armature, frames=(7,))).digest() == expected.digest()
    armature.hide_viewport = True
    with pytest.raises(PoseError, match="disabled in viewports"):
        sample(scene, options(armature, frames=(7,)))


def _nobody(scene, make_armature):
    return SampleOptions((), (1,), *SIZE)


def _mesh(scene, make_armature):
    lump = bpy.data.objects.new("Lump", bpy.data.meshes.new("Lump"))
    scene.collection.objects.link(lump)
    return options(lump)


def _no_object(scene, make_armature):
    return SampleOptions((Person("Ann", None),), (1,), *SIZE)


def _chain(scene, make_armature):
    return options(make_armature(scene, {"a": (None, (0, 0, 0), (0, 0, 1)), "b": ("a", (0, 0, 1), (0, 0, 2))}))


def _boneless(scene, make_armature):
    return options(make_armature(scene, {}))


def _no_frames(scene, make_armature):
    return options(make_armature(scene), frames=())


def _no_camera(scene, make_armature):
    scene.camera = None
    return options(make_armature(scene))


def _empty_as_camera(scene, make_armature):
    scene.camera = bpy.data.objects.new("Empty", None)
    return options(make_armature(scene))


def _panorama(scene, make_armature):
    scene.camera.data.type = "PANO"
    return options(make_armature(scene))


def _no_viewport(scene, make_armature):
    return options(make_armature(scene), source="VIEWPORT")


def _edit_mode(scene, make_armature):
    armature = make_armature(scene)
    bpy.ops.object.mode_set(mode="EDIT")
    return options(armature)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (_nobody, NoArmature),
        (_mesh, NoArmature),
        (_no_object, NoArmature),
        (_chain, NotHumanoid),
        (_boneless, NotHumanoid),
        (_no_frames, EmptyRange),
        (_no_camera, NoCamera),
        (_empty_as_camera, NoCamera),
        (_panorama, NoCamera),
        (_no_viewport, NoCamera),
        (_edit_mode, PoseError),
    ],
)
def test_what_cannot_be_sampled_is_refused_before_anything_happens(scene, make_armature, bad, error):
    asked = bad(scene, make_armature)
    scene.frame_set(9)
    with pytest.raises(error) as caught:
        validate(scene, asked)
    assert type(caught.value) is error
    assert caught.value.remedy
    with pytest.raises(error):
        sample(scene, asked)
    assert scene.frame_current == 9
