import math

import bpy
import numpy as np
import pytest
from understudy.blender_addon.face_shapes import FaceShapes
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import Sampling
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import FACE, INDEX

CHIN, BROW, NOSE_TIP = (FACE.start + number for number in (8, 24, 30))
FRAMES = range(1, 11)


@pytest.fixture
def scene() -> bpy.types.Scene:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.location, scene.camera.rotation_euler = (0, -5, 1), (math.pi / 2, 0, 0)
    return scene


def make_face(scene, armature, *names) -> bpy.types.Object:
    """A mesh of the person's with shape keys of these names."""
    mesh = bpy.data.meshes.new("Face")
    mesh.from_pydata([(0, 0, 1.6)], [], [])
    face = bpy.data.objects.new("Face", mesh)
    scene.collection.objects.link(face)
    face.modifiers.new("Armature", "ARMATURE").object = armature
    for name in ("Basis", *names):
        face.shape_key_add(name=name)
    return face


def open_mouth(face, name="jawOpen") -> bpy.types.ShapeKey:
    """From frame 1, closed, to frame 10."""
    block = face.data.shape_keys.key_blocks[name]
    for frame, value in ((1, 0.0), (10, 1.0)):
        block.value = value
        block.keyframe_insert("value", frame=frame)
    return block


def take(scene, armature, **more) -> tuple[PoseClip, str | None]:
    with Sampling(scene, SampleOptions((Person("Ann", armature),), FRAMES, 192, 256, **more)) as sampling:
        sampling.advance(math.inf)
        return sampling.finish().clip(), sampling.obstacle


def drop_of(clip, point) -> np.ndarray:
    """How far `point` goes down from the first frame on, metres [T]."""
    return clip.points_cam[:, 0, point, 1] - clip.points_cam[0, 0, point, 1]


@pytest.mark.parametrize("name", ["jawOpen", "JawOpen", "jaw_open", "Jaw Open"])
def test_an_opening_mouth_lowers_the_chin_and_nothing_above(scene, make_armature, name):
    armature = make_armature(scene)
    open_mouth(make_face(scene, armature, name, "smirk"), name)
    clip, obstacle = take(scene, armature)
    assert obstacle is None
    drop = drop_of(clip, CHIN)
    assert (np.diff(drop) > 0).all() and 0.02 < drop[-1] < 0.05
    for still in (BROW, NOSE_TIP, INDEX["left_ear"], INDEX["neck"]):
        np.testing.assert_allclose(drop_of(clip, still), 0, atol=1e-6)


def test_keyframes_and_blender_tell_the_same_face(scene, make_armature):
    armature = make_armature(scene)
    face = make_face(scene, armature, "jawOpen", "eyeBlinkLeft", "mouthSmileRight", "browInnerUp")
    block = open_mouth(face)
    block.keyframe_insert("value", frame=4)  # an overshoot, which Blender keeps within the limits
    for key in face.data.shape_keys.animation_data.action.fcurves[0].keyframe_points:
        key.interpolation = "ELASTIC"
    face.data.shape_keys.key_blocks["eyeBlinkLeft"].value = 0.7
    muted = open_mouth(face, "mouthSmileRight")
    muted.mute = True
    keyed, obstacle = take(scene, armature)
    assert obstacle is None
    evaluated, _ = take(scene, armature, keyframes=False)
    np.testing.assert_allclose(keyed.points_cam, evaluated.points_cam, atol=1e-5)
    assert np.ptp(keyed.points_cam[:, 0, CHIN, 1]) > 0.02


def test_a_driven_shape_key_is_left_to_blender(scene, make_armature):
    armature = make_armature(scene)
    face = make_face(scene, armature, "jawOpen")
    face.data.shape_keys.key_blocks["jawOpen"].driver_add("value").driver.expression = "frame / 10"
    clip, obstacle = take(scene, armature)
    assert "drivers" in obstacle
    assert (np.diff(drop_of(clip, CHIN)) > 0).all()


def test_of_several_meshes_the_one_with_most_of_arkits_keys_is_the_face(scene, make_armature):
    armature, other = make_armature(scene), make_armature(scene, name="Bob")
    make_face(scene, armature, "jawOpen")
    make_face(scene, armature, "jawOpen", "eyeBlinkLeft")
    make_face(scene, other, "jawOpen", "eyeBlinkLeft", "eyeBlinkRight")
    assert FaceShapes(scene, Person("Ann", armature)).names == ("jawOpen", "eyeBlinkLeft")


def test_a_person_without_such_keys_has_a_still_face(scene, make_armature):
    armature = make_armature(scene)
    face = make_face(scene, armature, "fat", "thin")
    open_mouth(face, "fat")
    assert FaceShapes(scene, Person("Ann", armature)).names == ()
    clip, _ = take(scene, armature)
    np.testing.assert_array_equal(drop_of(clip, CHIN), 0)
