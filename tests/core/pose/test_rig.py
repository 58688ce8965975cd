import numpy as np
import pytest
from understudy.core.pose.bones.roles import Role
from understudy.core.pose.rig import Posed, attach
from understudy.core.pose.skeleton import INDEX

LEFT, UP, FORWARD = np.eye(3)  # of a person of 1.7 m, in their own words
JOINTS = {
    "hips": (0, 0.93, 0), "head": (0, 1.53, 0),
    "left_upper_arm": (0.17, 1.4, 0), "left_forearm": (0.45, 1.4, 0), "left_hand": (0.7, 1.4, 0),
    "left_thigh": (0.1, 0.9, 0), "left_shin": (0.1, 0.48, 0), "left_foot": (0.1, 0.07, 0), "left_toe": (0.1, 0.02, 0.12),
    "left_index_1": (0.79, 1.4, 0), "left_index_2": (0.83, 1.4, 0), "left_index_3": (0.85, 1.4, 0),
}  # fmt: skip


def posed(lengths=None, without=(), **moved) -> Posed:
    """Bones at `JOINTS` and their mirror images, axes all alike, tails `lengths` above (0.001 if not told)."""
    joints = {role: np.array(point) for role, point in JOINTS.items()}
    for role, point in list(joints.items()):
        if role.startswith("left_"):
            joints[role.replace("left", "right")] = point * [-1, 1, 1]
    joints |= {role: np.array(point) for role, point in moved.items()}
    joints = {role: point for role, point in joints.items() if role not in without}
    matrices = np.tile(np.eye(4), (len(joints), 1, 1))
    matrices[:, :3, 3] = list(joints.values())
    return Posed(tuple(map(Role, joints)), matrices, np.array([(lengths or {}).get(role, 0.001) for role in joints]))


def points(pose: Posed, vertices=None) -> np.ndarray:
    return attach(pose, pose, vertices).points(pose.matrices[None])[0]


def ear_height(pose: Posed, vertices=None) -> float:
    return points(pose, vertices)[INDEX["left_ear"]] @ UP


def test_the_crown_is_told_by_the_mesh_then_the_end_bone_then_the_tail_then_proportions():
    usual, tail, end = 1.53 + 0.121 * 1.7, {"head": 0.15}, {"head_end": (0, 1.71, 0)}
    mesh = np.array([(x, y, z) for x in (-0.07, 0.07) for y in (1.5, 1.73) for z in (-0.1, 0.13)])
    below_crown = 0.083 * 1.7
    assert ear_height(posed()) == pytest.approx(usual - below_crown, abs=0.01)
    assert ear_height(posed(tail)) == pytest.approx(1.68 - below_crown, abs=0.01)
    assert ear_height(posed(tail, **end)) == pytest.approx(1.71 - below_crown, abs=0.01)
    assert ear_height(posed(tail, **end), mesh) == pytest.approx(1.73 - below_crown, abs=0.01)
    hat = mesh * [1, 1, 1] + np.where(mesh[:, 1:2] > 1.6, UP * 0.5, 0)
    assert ear_height(posed(tail, **end), hat) == ear_height(posed(tail, **end)), "a hat is not believed"
    assert ear_height(posed({"head": 1.0})) == ear_height(posed()), "nor is an absurd tail"


def test_real_bones_of_the_face_are_taken():
    nose, eye = (0, 1.6, 0.13), (0.03, 1.65, 0.1)
    found = points(posed(nose=nose, left_eye=eye))
    np.testing.assert_allclose(found[INDEX["nose"]], nose)
    np.testing.assert_allclose(found[INDEX["left_eye"]], eye)
    assert found[INDEX["right_eye"]] @ LEFT < 0


def test_finger_tips_use_a_sound_tail_and_else_the_middle_phalanx():
    tip = INDEX["left_hand_index_4"]
    np.testing.assert_allclose(points(posed())[tip], [0.85 + 0.75 * 0.02, 1.4, 0])
    np.testing.assert_allclose(points(posed({"left_index_3": 0.02}))[tip], [0.865, 1.4, 0], err_msg="that tail points up")
    sound = posed({"left_index_3": 0.018})
    sound.matrices[sound.row("left_index_3"), :3, :3] = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])  # y along the finger
    np.testing.assert_allclose(points(sound)[tip], [0.868, 1.4, 0])


def test_a_finger_ends_where_its_bones_end():
    pose = posed(without=("left_index_3", "right_index_1"))
    present = attach(pose, pose, None).present
    hand = [INDEX[f"left_hand_{name}"] for name in ("wrist", "index_1", "index_2", "index_3", "index_4")]
    assert present[hand].tolist() == [True, True, True, False, False]
    assert not present[INDEX["right_hand_wrist"] :].any()


def test_feet_without_toe_bones_look_ahead():
    with_toes, without = points(posed()), points(posed(without=("left_toe", "right_toe")))
    feet = slice(INDEX["left_big_toe"], INDEX["right_heel"] + 1)
    np.testing.assert_allclose(without[feet], with_toes[feet], atol=1e-6)


def test_swapped_sides_do_not_turn_the_face_backwards():
    swapped = {
        role.replace("left", "right") if role.startswith("left") else role.replace("right", "left"): tuple(posed().head(role))
        for role in posed().roles
    }
    assert points(posed(**swapped))[INDEX["nose"]] @ FORWARD > 0.1


def test_points_follow_their_bone():
    pose = posed()
    attachment = attach(pose, pose, None)
    turned = pose.matrices.copy()
    turned[pose.row("head"), :3, :3] = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # the face to the person's left
    moved = attachment.points(turned[None])[0]
    assert (moved[INDEX["nose"]] - JOINTS["head"]) @ LEFT > 0.1
    np.testing.assert_allclose(attachment.head_directions(turned[None])[0, 2], LEFT, atol=1e-9)
    np.testing.assert_allclose(moved[INDEX["left_knee"]], JOINTS["left_shin"])


def test_only_an_upright_pose_stands():
    assert posed().stands()
    assert not posed(
        left_shin=(0.5, 0.9, 0), left_foot=(0.9, 0.9, 0), right_shin=(-0.5, 0.9, 0), right_foot=(0.2, 1.6, 0)
    ).stands()
    assert not posed(head=(0, 0.9, 0.6)).stands(), "bent over at right angles"
    nowhere = posed()
    nowhere.matrices[:, :3, 3] = 0
    assert not nowhere.stands()


FACE = slice(24, 92)


def test_the_face_is_in_front_of_the_head_and_its_left_is_left():
    found = points(posed())[FACE]
    assert (found @ FORWARD > 0).all()
    assert found[45] @ LEFT > found[42] @ LEFT > 0 > found[36] @ LEFT
    assert found[8] @ UP < found[57] @ UP < found[30] @ UP < found[27] @ UP
    assert (found @ UP > 1.45).all() and (found @ UP < 1.75).all()


def test_points_of_the_face_sit_on_their_own_bones_and_the_jaw_carries_the_chin():
    brow, jaw = (0.04, 1.66, 0.11), (0.0, 1.55, 0.02)
    roles = ["face_25", "jaw"]
    bare = posed()
    extra = np.tile(np.eye(4), (2, 1, 1))
    extra[:, :3, 3] = brow, jaw
    pose = Posed((*bare.roles, *roles), np.concatenate([bare.matrices, extra]), np.concatenate([bare.lengths, [0.01, 0.01]]))
    attachment = attach(pose, pose, None)
    np.testing.assert_allclose(attachment.points(pose.matrices[None])[0][FACE][25], brow)
    opened = pose.matrices.copy()
    opened[pose.row("jaw"), :3, 3] += (0, -0.02, 0)
    moved = attachment.points(opened[None])[0][FACE] - attachment.points(pose.matrices[None])[0][FACE]
    np.testing.assert_allclose(moved[8], (0, -0.02, 0), atol=1e-9)
    np.testing.assert_allclose(moved[[0, 16, 27, 30, 36, 51]], 0, atol=1e-9)


def test_expressions_are_added_in_the_heads_frame():
    pose = posed()
    attachment = attach(pose, pose, None)
    turned = pose.matrices.copy()
    turned[pose.row("head"), :3, :3] = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # the face to the person's left
    forward = np.zeros((1, 68, 3))
    forward[0, 30] = (0, 0, 0.1)
    longer = attachment.points(turned[None], forward)[0] - attachment.points(turned[None])[0]
    np.testing.assert_allclose(longer[24 + 30], 0.1 * attachment.stature * LEFT, atol=1e-9)
    assert not np.delete(longer, 24 + 30, axis=0).any()
