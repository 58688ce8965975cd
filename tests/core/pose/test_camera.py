import numpy as np
import pytest
from understudy.core.pose.camera import project


def _project_one(point, intrinsics, orthographic=False):
    points = np.array(point, float).reshape(1, 1, 1, 3)
    return project(points, np.asarray(intrinsics, float)[None], np.array([orthographic]))[0, 0, 0]


INTRINSICS = [[400, 0, 96], [0, 200, 128], [0, 0, 1]]


def test_perspective_divides_by_depth_and_y_goes_down():
    np.testing.assert_allclose(_project_one([0, 0, 5], INTRINSICS), [96, 128])
    np.testing.assert_allclose(_project_one([0.5, 0.5, 2], INTRINSICS), [196, 178])
    np.testing.assert_allclose(_project_one([0.5, 0.5, 4], INTRINSICS), [146, 153])


def test_orthographic_does_not_divide():
    np.testing.assert_allclose(_project_one([0.5, 0.5, 4], INTRINSICS, orthographic=True), [296, 228])
    np.testing.assert_allclose(_project_one([0.5, 0.5, -4], INTRINSICS, orthographic=True), [296, 228])


@pytest.mark.parametrize("depth", [0, -1e-9, -3])
def test_points_at_or_behind_the_camera_stay_finite(depth):
    assert np.isfinite(_project_one([0.5, -0.5, depth], INTRINSICS)).all()


def test_each_frame_has_its_own_camera():
    points = np.tile(np.array([1.0, 1.0, 2.0]), (2, 1, 1, 1))
    intrinsics = np.array([INTRINSICS, np.diag([100, 100, 1])], float)
    pixels = project(points, intrinsics, np.array([False, True]))
    np.testing.assert_allclose(pixels[:, 0, 0], [[296, 228], [100, 100]])
