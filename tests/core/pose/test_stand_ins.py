import numpy as np
import pytest
from understudy.core.pose.bones.roles import REQUIRED, Role
from understudy.core.pose.rig import Posed
from understudy.core.pose.stand_ins import stand_in

JOINTS = {
    "hips": (0, 0, 1.0), "head": (0, 0, 1.55),
    **{f"{side}_{part}": (sign * x, y, z) for side, sign in (("left", 1), ("right", -1)) for part, (x, y, z) in {
        "upper_arm": (0.18, 0, 1.4), "forearm": (0.45, 0, 1.4), "hand": (0.7, 0, 1.4),
        "thigh": (0.1, 0, 0.95), "shin": (0.1, -0.02, 0.5), "foot": (0.1, 0, 0.08),
    }.items()},
}  # fmt: skip


def posed(*without: str) -> Posed:
    """A person whose bones point up and are 0.2 long, lacking some roles."""
    roles = tuple(role for role in REQUIRED if role not in without)
    matrices = np.tile(np.eye(4), (len(roles), 1, 1))
    matrices[:, :3, :3] = [(1, 0, 0), (0, 0, -1), (0, 1, 0)]
    matrices[:, :3, 3] = [JOINTS[role] for role in roles]
    return Posed(roles, matrices, np.full(len(roles), 0.2))


def test_nothing_stands_in_where_nothing_is_missing():
    rest = posed()
    found = stand_in(rest)
    assert found.roles == ()
    np.testing.assert_array_equal(found.complete(rest).matrices, rest.matrices)


@pytest.mark.parametrize("role", ["left_forearm", "right_foot", "left_upper_arm"])
def test_a_missing_joint_is_where_the_other_sides_is_in_a_mirror(role):
    rest = posed(role)
    np.testing.assert_allclose(stand_in(rest).complete(rest).head(role), JOINTS[role], atol=1e-9)


def test_a_joint_missing_on_both_sides_is_between_its_neighbours():
    rest = posed("left_shin", "right_shin")
    knee = stand_in(rest).complete(rest).head("left_shin")
    np.testing.assert_allclose(knee, [0.1, 0, (0.95 + 0.08) / 2], atol=1e-9)


def test_an_end_missing_on_both_sides_is_where_the_bone_before_it_ends():
    rest = posed("left_hand", "right_hand")
    np.testing.assert_allclose(stand_in(rest).complete(rest).head("left_hand"), rest.tail("left_forearm"), atol=1e-9)


def test_missing_hips_are_among_what_hangs_on_them():
    rest = posed("hips")
    assert np.linalg.norm(stand_in(rest).complete(rest).head("hips") - JOINTS["hips"]) < 0.1


def test_a_stand_in_moves_with_the_bone_that_carries_it():
    rest = posed("left_hand")
    found = stand_in(rest)
    moved = rest.matrices.copy()
    moved[rest.row("left_forearm"), :3, 3] += (0, 0, 0.5)
    pose = Posed((*rest.roles, Role("left_hand")), found.extend(moved), np.zeros(len(REQUIRED)))
    np.testing.assert_allclose(pose.head("left_hand"), np.add(JOINTS["left_hand"], (0, 0, 0.5)), atol=1e-9)


def test_the_bones_of_a_face_are_no_joints_and_stay():
    rest = posed("left_shin")
    face = np.eye(4)[None]
    with_face = Posed((*rest.roles, "face_30"), np.concatenate([rest.matrices, face]), np.append(rest.lengths, 0.02))
    found = stand_in(with_face)
    assert found.roles == ("left_shin",)
    np.testing.assert_allclose(found.complete(with_face).head("left_shin"), JOINTS["left_shin"], atol=1e-9)
