"""The demo scene, in a real Blender: what the rest of the demo relies on."""

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from understudy.blender_addon import demo


@pytest.fixture(scope="module")
def armature():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return demo.make_scene(bpy.context.scene)


def _body_in_picture(scene: bpy.types.Scene, frame: int) -> np.ndarray:
    """The deformed body's vertices in the camera's picture [V, 2], 0 to 1."""
    scene.frame_set(frame)
    body = bpy.data.objects["Understudy Demo Body"].evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = body.to_mesh()
    points = [world_to_camera_view(scene, scene.camera, body.matrix_world @ vertex.co) for vertex in mesh.vertices]
    return np.array([point[:2] for point in points])


def test_the_armature_has_mixamo_names_and_is_active(armature):
    names = {bone.name for bone in armature.data.bones}
    assert {"mixamorig:Hips", "mixamorig:LeftArm", "mixamorig:RightLeg", "mixamorig:Head", "mixamorig:LeftHandIndex1"} <= names
    assert bpy.context.view_layer.objects.active == armature


def test_every_vertex_follows_bones_with_weights_that_sum_to_one(armature):
    body = bpy.data.objects["Understudy Demo Body"]
    assert {group.name for group in body.vertex_groups} <= {bone.name for bone in armature.data.bones}
    totals = [sum(group.weight for group in vertex.groups) for vertex in body.data.vertices]
    np.testing.assert_allclose(totals, 1.0, atol=1e-5)


def test_the_body_is_light_enough_for_any_machine(armature):
    assert len(bpy.data.objects["Understudy Demo Body"].data.vertices) <= 8000


@pytest.mark.parametrize("frame", [1, 13, 25, 37, 48])
def test_the_whole_figure_is_in_the_picture_and_fills_most_of_it(armature, frame):
    picture = _body_in_picture(bpy.context.scene, frame)
    assert picture.min() > 0.02
    assert picture.max() < 0.98
    assert 0.72 < np.ptp(picture[:, 1]) < 0.95


def test_the_hand_is_raised_to_wave_and_lowered_again(armature):
    heights = {}
    for frame in (1, 18, 48):
        bpy.context.scene.frame_set(frame)
        heights[frame] = (armature.matrix_world @ armature.pose.bones["mixamorig:RightHand"].head).z
    assert heights[18] > 1.4
    assert heights[1] < 1.0
    assert heights[48] < 1.0


def test_the_back_is_seen(armature):
    def faces_camera(frame: int) -> float:
        """How far the chest's left points to the picture's right: 1 from the front, -1 from behind."""
        bpy.context.scene.frame_set(frame)
        bones = armature.pose.bones
        left = armature.matrix_world.to_3x3() @ (bones["mixamorig:LeftArm"].head - bones["mixamorig:RightArm"].head)
        return left.normalized().x

    assert faces_camera(1) > 0.9
    assert min(faces_camera(frame) for frame in range(30, 49)) < -0.95


def test_frame_count_and_rate_are_set(armature):
    scene = bpy.context.scene
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == (1, 48, 24)
