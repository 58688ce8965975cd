import numpy as np
import pytest
from understudy.core.pose.head import head_keypoints, head_visible

SIDE, UP, FORWARD = np.array([1.0, 0, 0]), np.array([0, 0, 1.0]), np.array([0, -1.0, 0])
NOSE, RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR = range(5)


def _to_camera_at(yaw_degrees: float) -> np.ndarray:
    """Camera walking from the face towards the character's left."""
    yaw = np.radians(yaw_degrees)
    return np.sin(yaw) * SIDE + np.cos(yaw) * FORWARD


def test_the_face_is_below_the_top_and_in_front_and_left_is_left():
    points = head_keypoints(np.array([0, 0, 1.8]), SIDE, UP, FORWARD, 1.8)
    np.testing.assert_allclose(points[NOSE], [0, -0.075 * 1.8, 1.8 - 0.095 * 1.8])
    assert points[LEFT_EYE][0] > 0 > points[RIGHT_EYE][0]
    assert points[LEFT_EAR][0] > points[LEFT_EYE][0]
    np.testing.assert_allclose(points[[RIGHT_EYE, RIGHT_EAR]] * [-1, 1, 1], points[[LEFT_EYE, LEFT_EAR]])


def test_leading_dimensions_broadcast():
    top = np.zeros((4, 2, 3))
    assert head_keypoints(top, SIDE, UP, FORWARD, np.array([1.6, 1.9])).shape == (4, 2, 5, 3)
    assert head_visible(np.broadcast_to(FORWARD, (4, 2, 3)), SIDE, UP, FORWARD).shape == (4, 2, 5)


@pytest.mark.parametrize(
    ("yaw", "seen"),
    [
        (0, {NOSE, RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR}),
        (30, {NOSE, RIGHT_EYE, LEFT_EYE, LEFT_EAR}),
        (-30, {NOSE, RIGHT_EYE, LEFT_EYE, RIGHT_EAR}),
        (75, {NOSE, LEFT_EYE, LEFT_EAR}),
        (-75, {NOSE, RIGHT_EYE, RIGHT_EAR}),
        (120, {LEFT_EYE, LEFT_EAR}),
        (140, {LEFT_EAR}),
        (-140, {RIGHT_EAR}),
        (170, {RIGHT_EAR, LEFT_EAR}),
        (180, {RIGHT_EAR, LEFT_EAR}),
    ],
)
def test_points_go_in_the_order_a_detector_loses_them(yaw, seen):
    assert set(np.flatnonzero(head_visible(_to_camera_at(yaw), SIDE, UP, FORWARD))) == seen
