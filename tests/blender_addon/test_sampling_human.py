"""Sampling a detailed human under three rigs; it lies beside the repository, in ../shared."""

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
import pytest
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import sample
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import KEYPOINT_NAMES

SHARED = Path(__file__).resolve().parents[3] / "shared"
MAKE_HUMAN = SHARED / "tools" / "make_human.py"
WALK = SHARED / "fixtures" / "motion" / "cmu_12_01_walk.bvh"
STATURE = 1.666
FRAMES = range(1, 49)
BODY = slice(0, 18)
# Where the mesh says that the joints are: it holds a small cube at each.
CUBES = {
    f"{side}_{joint}": f"joint-{side[0]}-{cube}"
    for side in ("left", "right")
    for joint, cube in (
        ("shoulder", "shoulder"), ("elbow", "elbow"), ("wrist", "hand"),
        ("hip", "upper-leg"), ("knee", "knee"), ("ankle", "ankle"), ("eye", "eye"),
    )
}  # fmt: skip
RING = 0.08  # metres around a joint within which the skin goes with it
RIGS = ("mixamo", "game_engine", "cmu_mb")

pytestmark = pytest.mark.skipif(not MAKE_HUMAN.is_file(), reason="needs ../shared/tools/make_human.py")


@dataclass
class Human:
    clip: PoseClip
    rest: PoseClip
    cubes: np.ndarray  # [14, 3] the mesh's joints at rest
    skin: np.ndarray  # [V, 3] its vertices at rest
    posed: np.ndarray  # [T, V, 3] and in every frame

    def joints(self, clip) -> np.ndarray:
        """The keypoints of `CUBES` [T, 14, 3] in world space."""
        points = clip.points_cam[:, 0, [KEYPOINT_NAMES.index(name) for name in CUBES]]
        return points[..., [0, 2, 1]] * (1, 1, -1) + (0, -4.6, 0.95)


def _human(rig: str) -> Human:
    spec = importlib.util.spec_from_file_location("make_human", MAKE_HUMAN)
    make_human = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_human)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    armature, body = make_human.build(rig)
    make_human.animate(armature, rig, len(FRAMES))
    scene = bpy.context.scene
    _add_camera(scene, (0, -4.6, 0.95))
    options = SampleOptions((Person("Ann", armature),), tuple(FRAMES), 192, 256)
    clip = sample(scene, options)
    skin = []
    for frame in FRAMES:
        scene.frame_set(frame)
        skin.append(_vertices(body))
    armature.data.pose_position = "REST"
    armature.animation_data_clear()
    armature.rotation_euler.z = 0
    rest = sample(scene, options)
    vertices, faces, cubes = make_human.read_body(make_human.FIXTURES / "base.obj")
    lift = -min(vertices[corner][2] for face in faces for corner in face)
    places = np.array([np.mean([vertices[corner] for corner in cubes[cube]], axis=0) for cube in CUBES.values()])
    return Human(clip, rest, places + np.array([0, 0, lift]), _vertices(body), np.array(skin))


def _add_camera(scene, location) -> None:
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.location, scene.camera.rotation_euler = location, (math.pi / 2, 0, 0)


def _vertices(body) -> np.ndarray:
    """[V, 3] in world space, as the armature bends them."""
    evaluated = body.evaluated_get(bpy.context.evaluated_depsgraph_get())
    local = np.empty(len(evaluated.data.vertices) * 3, np.float32)
    evaluated.data.vertices.foreach_get("co", local)
    world = np.array(evaluated.matrix_world)
    return local.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]


@pytest.fixture(scope="module")
def humans() -> dict[str, Human]:
    return {rig: _human(rig) for rig in RIGS}


@pytest.fixture(scope="module")
def mixamo(humans) -> PoseClip:
    return humans["mixamo"].clip


@pytest.mark.parametrize(("rig", "family"), [("game_engine", "Unreal"), ("cmu_mb", "CMU")])
def test_rigs_of_one_body_give_the_same_keypoints(humans, mixamo, rig, family):
    """Within 2 % of the stature in every frame, and 1 % in the median, of every keypoint that both rigs have."""
    assert mixamo.source["rigs"] == {"Ann": "Mixamo"}
    other = humans[rig].clip
    assert other.source["rigs"] == {"Ann": family}
    both = mixamo.visible & other.visible
    assert both.sum() > 20 * len(FRAMES)
    apart = np.linalg.norm(mixamo.points_cam - other.points_cam, axis=-1) / STATURE
    worst = KEYPOINT_NAMES[np.where(both, apart, 0).max(axis=(0, 1)).argmax()]
    assert apart[both].max() < 0.02, worst
    assert np.median(apart[both]) < 0.01
    np.testing.assert_array_equal(mixamo.visible[..., BODY], other.visible[..., BODY])
    np.testing.assert_array_less(np.median(apart[:, 0, BODY], axis=-1), 0.01, "in every frame")


@pytest.mark.parametrize("rig", RIGS)
def test_keypoints_are_where_the_meshs_own_joints_are(humans, rig):
    """At rest those of its cubes; in motion the skin around each goes with the keypoint. Within 2 % of the stature."""
    human = humans[rig]
    at_rest = human.joints(human.rest)[0]
    assert (np.linalg.norm(at_rest - human.cubes, axis=-1) / STATURE).max() < 0.02
    moving = human.joints(human.clip)
    for number, name in enumerate(CUBES):
        near = np.linalg.norm(human.skin - human.cubes[number], axis=-1) < RING
        assert near.sum() > 10, name
        joints = np.array([_carry(human.skin[near], posed, human.cubes[number]) for posed in human.posed[:, near]])
        assert (np.linalg.norm(moving[:, number] - joints, axis=-1) / STATURE).max() < 0.02, name


def _carry(rest: np.ndarray, posed: np.ndarray, point: np.ndarray) -> np.ndarray:
    """`point` [3], moved as the vertices `rest` [V, 3] are to `posed`: by the best rigid motion (Kabsch 1976)."""
    left, _, right = np.linalg.svd((rest - rest.mean(axis=0)).T @ (posed - posed.mean(axis=0)))
    flip = np.diag([1, 1, np.sign(np.linalg.det(left @ right))])
    return (point - rest.mean(axis=0)) @ left @ flip @ right + posed.mean(axis=0)


def test_the_person_turns_once_around_and_loses_the_face_behind(mixamo):
    nose, left_ear, right_ear = (mixamo.visible[:, 0, KEYPOINT_NAMES.index(n)] for n in ("nose", "left_ear", "right_ear"))
    assert nose[[0, -1]].all()
    assert not nose[24]
    assert left_ear[24] and right_ear[24]
    for ear in (left_ear, right_ear):
        assert not ear.all()


def test_left_stays_left_all_the_way_around(humans):
    """Whoever turns from facing the camera to walking away has the left side on the picture's other half."""
    for human in humans.values():
        x = human.clip.pixels()[:, 0, :, 0]
        apart = x[:, KEYPOINT_NAMES.index("left_shoulder")] - x[:, KEYPOINT_NAMES.index("right_shoulder")]
        assert (apart[:10] > 0).all() and (apart[19:30] < 0).all() and (apart[-8:] > 0).all()


@pytest.fixture(scope="module")
def walk() -> tuple[PoseClip, np.ndarray]:
    """The captured walk as Blender's BVH importer brings it, and its bones' heads [T, 12, 3] in world space."""
    if not WALK.is_file():
        pytest.skip("needs ../shared/fixtures/motion")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_enable(module="io_anim_bvh")
    bpy.ops.import_anim.bvh(filepath=str(WALK), global_scale=0.056)  # CMU's unit, 2.2 inches
    armature, scene = bpy.context.object, bpy.context.scene
    _add_camera(scene, (0, -9, 1))
    frames = range(1, 525, 12)
    clip = sample(scene, SampleOptions((Person("Ann", armature),), frames, 192, 256))
    heads = []
    for frame in frames:
        scene.frame_set(frame)
        heads.append([armature.matrix_world @ armature.pose.bones[bone].head for bone in _BVH.values()])
    return clip, np.array(heads)


_BVH = {
    f"{side.lower()}_{joint}": side + bone
    for side in ("Left", "Right")
    for joint, bone in (
        ("shoulder", "Arm"), ("elbow", "ForeArm"), ("wrist", "Hand"), ("hip", "UpLeg"), ("knee", "Leg"), ("ankle", "Foot"),
    )
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Blender's importer leaves the file open
def test_the_captured_walk_needs_no_mapping(walk):
    clip, heads = walk
    assert clip.source["rigs"] == {"Ann": "CMU"}
    assert clip.source["warnings"] == {}
    points = clip.points_cam[:, 0, [KEYPOINT_NAMES.index(name) for name in _BVH]]
    np.testing.assert_allclose(points[..., [0, 2, 1]] * (1, 1, -1) + (0, -9, 1), heads, atol=2e-5)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Blender's importer leaves the file open
def test_the_captured_walk_comes_towards_the_camera_step_by_step(walk):
    clip, _ = walk
    assert clip.visible[:, 0, BODY].all(), "the whole body, and the face"
    ankles = clip.points_cam[:, 0, [KEYPOINT_NAMES.index(f"{side}_ankle") for side in ("left", "right")]]
    neck = clip.points_cam[:, 0, KEYPOINT_NAMES.index("neck")]
    assert neck[0, 2] - neck[-1, 2] > 3, "metres"
    ahead = np.sign(ankles[:, 0, 2] - ankles[:, 1, 2])
    assert np.count_nonzero(np.diff(ahead)) >= 4, "one foot before the other"
    assert (clip.points_cam[:, 0, KEYPOINT_NAMES.index("nose"), 2] < neck[:, 2]).all()
