"""Rigify hangs the interpreter at exit, so a process of its own generates the rig and ends itself."""

import json
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import json, math, os, sys
import bpy
import addon_utils  # comes with bpy
from mathutils import Euler
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import sample, validate

try:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon_utils.enable("rigify", default_set=True)
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.location, scene.camera.rotation_euler = (0, -5, 1), (math.pi / 2, 0, 0)
    bpy.ops.object.armature_human_metarig_add()
    metarig = bpy.context.object
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object

    def joints(frame):
        clip = sample(scene, SampleOptions((Person("Ann", rig),), (frame,), 192, 256))
        return clip, clip.points_cam[0, 0].tolist()

    clip, rest = joints(1)
    out = {"source": clip.source, "rest": rest, "visible": clip.visible[0, 0].tolist()}
    out["metarig"] = validate(scene, SampleOptions((Person("Meta", metarig),), (1,), 192, 256))[0].bones.family
    hidden = sample(scene, SampleOptions((Person("Meta", metarig),), (1,), 192, 256))
    out["metarig_points"] = hidden.points_cam[0, 0].tolist()

    # Bend the left elbow by the FK control and pull the left knee by its tweak: only deform bones follow both.
    rig.pose.bones["upper_arm_parent.L"]["IK_FK"] = 1.0
    control = rig.pose.bones["forearm_fk.L"]
    control.rotation_mode = "XYZ"
    control.rotation_euler.x = 1.0
    rig.pose.bones["shin_tweak.L"].location.x = 0.05
    out["bent"] = joints(2)[1]
    deform = [rig.pose.bones[name] for name in ("DEF-hand.L", "DEF-shin.L")]
    out["deform"] = [list(rig.matrix_world @ bone.head) for bone in deform]
    print("RESULT" + json.dumps(out))
except BaseException:
    import traceback
    traceback.print_exc()
finally:
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(0)
"""


@pytest.fixture(scope="module")
def result() -> dict:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=240, check=False)
    lines = [line.removeprefix("RESULT") for line in run.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, run.stdout[-2000:] + run.stderr[-4000:]
    return json.loads(lines[0])


def test_a_generated_rig_and_its_metarig_are_told_apart(result):
    assert result["source"]["rigs"] == {"Ann": "Rigify"}
    assert result["source"]["confidence"]["Ann"] > 0.9
    assert result["metarig"] == "Rigify metarig"


def test_rig_and_metarig_give_the_same_rest_pose(result):
    rest, metarig = np.array(result["rest"]), np.array(result["metarig_points"])
    visible = np.array(result["visible"])
    assert visible[:18].all()
    np.testing.assert_allclose(rest[visible], metarig[visible], atol=0.01)


def test_the_face_is_where_the_face_bones_are(result):
    nose, right_eye, left_eye, right_ear, left_ear = np.array(result["rest"])[[0, 14, 15, 16, 17]]
    assert nose[2] < left_eye[2] < left_ear[2]
    assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]
    assert left_eye[1] < nose[1]
    face = np.array(result["rest"])[24:92]
    np.testing.assert_allclose(face[30], nose, atol=1e-3)
    assert face[36:42, 0].mean() == pytest.approx(right_eye[0], abs=0.01)
    assert face[42:48, 0].mean() == pytest.approx(left_eye[0], abs=0.01)


def test_deform_bones_are_sampled(result):
    rest, bent = np.array(result["rest"]), np.array(result["bent"])
    wrist, knee = 7, 12
    expected = np.array(result["deform"]) @ [[1, 0, 0], [0, 0, 1], [0, -1, 0]] + [0, 1, 5]  # the camera's place and turn
    np.testing.assert_allclose(bent[[wrist, knee]], expected, atol=1e-4)
    assert np.linalg.norm(bent[wrist] - rest[wrist]) > 0.1
    assert np.linalg.norm(bent[knee] - rest[knee]) > 0.03
    np.testing.assert_allclose(bent[6], rest[6], atol=1e-4)
