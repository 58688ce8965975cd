"""Sampling a detailed human under three rigs; it lies beside the repository, in ../shared."""

import importlib.util
import math
from pathlib import Path

import bpy
import numpy as np
import pytest
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import sample
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import KEYPOINT_NAMES

MAKE_HUMAN = Path(__file__).resolve().parents[3] / "shared" / "tools" / "make_human.py"
STATURE = 1.666
FRAMES = range(1, 49)

pytestmark = pytest.mark.skipif(not MAKE_HUMAN.is_file(), reason="needs ../shared/tools/make_human.py")


def _clip(rig: str) -> PoseClip:
    spec = importlib.util.spec_from_file_location("make_human", MAKE_HUMAN)
    make_human = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_human)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    armature, _ = make_human.build(rig)
    make_human.animate(armature, rig, len(FRAMES))
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.location, scene.camera.rotation_euler = (0, -4.6, 0.95), (math.pi / 2, 0, 0)
    return sample(scene, SampleOptions((Person("Ann", armature),), tuple(FRAMES), 192, 256))


@pytest.fixture(scope="module")
def mixamo() -> PoseClip:
    return _clip("mixamo")


@pytest.mark.parametrize(("rig", "family"), [("game_engine", "Unreal"), ("cmu_mb", "CMU")])
def test_rigs_of_one_body_give_the_same_keypoints(mixamo, rig, family):
    """Within 2 % of the stature in every frame, and 1 % in the median, of every keypoint that both rigs have."""
    assert mixamo.source["rigs"] == {"Ann": "Mixamo"}
    other = _clip(rig)
    assert other.source["rigs"] == {"Ann": family}
    both = mixamo.visible & other.visible
    assert both.sum() > 20 * len(FRAMES)
    apart = np.linalg.norm(mixamo.points_cam - other.points_cam, axis=-1) / STATURE
    worst = KEYPOINT_NAMES[np.where(both, apart, 0).max(axis=(0, 1)).argmax()]
    assert apart[both].max() < 0.02, worst
    assert np.median(apart[both]) < 0.01
    body = slice(0, 18)
    np.testing.assert_array_equal(mixamo.visible[..., body], other.visible[..., body])


def test_the_person_turns_once_around_and_loses_the_face_behind(mixamo):
    nose, left_ear, right_ear = (mixamo.visible[:, 0, KEYPOINT_NAMES.index(n)] for n in ("nose", "left_ear", "right_ear"))
    assert nose[[0, -1]].all()
    assert not nose[24]
    assert left_ear[24] and right_ear[24]
    for ear in (left_ear, right_ear):
        assert not ear.all()
