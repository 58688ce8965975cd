import bpy
import numpy as np
import pytest
from understudy.blender_addon.placing import JOINTS, Placing, keypoints
from understudy.blender_addon.point_placer import set_points
from understudy.core.pose.skeleton import INDEX

REACH = (0.02, 0.01)


def test_joints_are_asked_for_one_by_one_and_placed_where_the_pointer_is():
    placing = Placing({})
    for number, joint in enumerate(JOINTS):
        assert placing.asked == joint
        placing.press((0.05 * number, 0.5), REACH)
        placing.release()
    assert placing.asked is None
    assert placing.points[JOINTS[3]] == pytest.approx((0.15, 0.5))
    placing.press((0.99, 0.01), REACH)
    assert len(placing.points) == len(JOINTS), "nothing is left to place"


def test_a_placed_joint_is_dragged_not_placed_again():
    placing = Placing({"nose": (0.5, 0.2)})
    placing.press((0.51, 0.2), REACH)
    placing.drag((0.6, 0.3))
    placing.release()
    placing.drag((0.9, 0.9))
    assert placing.points == {"nose": (0.6, 0.3)}


def test_the_closest_joint_in_reach_is_meant():
    placing = Placing({"nose": (0.5, 0.2), "right_eye": (0.49, 0.2), "left_eye": (0.5, 0.212)})
    assert placing.near((0.494, 0.2), REACH) == "right_eye"
    assert placing.near((0.5, 0.221), REACH) == "left_eye"
    assert placing.near((0.5, 0.23), REACH) is None


def test_a_joint_that_cannot_be_seen_is_skipped():
    placing = Placing({})
    placing.skip()
    assert placing.asked == JOINTS[1]
    assert not placing.points


def test_the_last_joint_is_taken_back_and_asked_for_again():
    placing = Placing({})
    placing.press((0.5, 0.1), REACH)
    placing.press((0.4, 0.3), REACH)
    placing.take_back()
    assert placing.asked == JOINTS[1]
    placing.take_back()
    placing.take_back()
    assert (placing.points, placing.asked) == ({}, JOINTS[0])


def test_a_joint_stays_on_the_picture():
    placing = Placing({})
    placing.press((0.5, 0.1), REACH)
    placing.drag((1.4, -0.2))
    assert placing.points[JOINTS[0]] == (1, 0)


def test_placed_joints_are_keypoints_with_a_neck_between_the_shoulders():
    points, placed = keypoints({"right_shoulder": (0.4, 0.3), "left_shoulder": (0.6, 0.32)})
    np.testing.assert_allclose(points[INDEX["neck"]], [0.5, 0.31])
    assert placed.sum() == 3
    assert not keypoints({"right_shoulder": (0.4, 0.3)})[1][INDEX["neck"]]


def test_points_are_kept_in_the_file_and_cleared(scene, character, tmp_path):
    set_points(scene.understudy.people[0], {"nose": (0.5, 0.25)})
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    (point,) = bpy.context.scene.understudy.people[0].points
    assert (point.name, tuple(point.position)) == ("nose", (0.5, 0.25))
    bpy.ops.understudy.clear_points()
    assert not bpy.context.scene.understudy.people[0].points
    with pytest.raises(RuntimeError, match="No points are placed"):
        bpy.ops.understudy.clear_points()


def test_points_need_a_picture(scene, character, tmp_path):
    scene.understudy.people[0].reference = str(tmp_path / "nowhere.png")
    with pytest.raises(RuntimeError, match="is not there"):
        bpy.ops.understudy.place_points()
    scene.understudy.people.clear()
    with pytest.raises(RuntimeError, match="no reference picture"):
        bpy.ops.understudy.place_points()
