import numpy as np
import pytest
from understudy.core.control.framing import follow

WINDOW = (256, 320)


def walk(frames: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Joints of somebody who crosses a picture of 1920 x 1080, shaking, raising the arms once."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (1, 134, 2)) * [60, 200] + np.linspace([300, 500], [1500, 600], frames)[:, None]
    points += rng.normal(0, 3, (frames, 134, 2))
    points[20:23, 4] += [0, -250]
    return points, np.ones((frames, 134), bool)


def test_every_joint_stays_within_the_window_and_the_window_moves_smoothly():
    points, drawable = walk()
    window = follow(points, drawable, (1920, 1080), WINDOW)
    inside = (points - window.corner[:, None]) * window.scale[:, None, None] / np.array(WINDOW)
    assert inside.min() > 0.02 and inside.max() < 0.98
    jerk = np.abs(np.diff(window.corner, n=2, axis=0)).max()
    assert jerk < np.abs(np.diff(points[:, 4], n=2, axis=0)).max() / 10
    assert np.abs(np.diff(window.scale) / window.scale[1:]).max() < 0.05


def test_intrinsics_put_a_point_where_the_window_shows_it():
    points, drawable = walk()
    window = follow(points, drawable, (1920, 1080), WINDOW)
    camera = np.tile(np.array([[900, 0, 960], [0, 900, 540], [0, 0, 1]], np.float32), (48, 1, 1))
    ray = np.array([0.2, -0.1, 1])
    x, y, _ = camera[7] @ ray
    u, v, _ = window.intrinsics(camera)[7] @ ray
    np.testing.assert_allclose(window.to_picture(7) @ [u, v, 1], [x, y], rtol=1e-4)


def test_frames_without_the_person_take_their_window_from_those_around():
    points, drawable = walk()
    drawable[10:14] = False
    window = follow(points, drawable, (1920, 1080), WINDOW)
    assert np.isfinite(window.corner).all() and 0 < window.scale[12] < 8
    assert follow(points, np.zeros_like(drawable), (1920, 1080), WINDOW) is None


@pytest.mark.parametrize("size", [(320, 240), (1920, 1080)])
def test_somebody_far_outside_does_not_pull_the_window_away(size):
    points, drawable = walk()
    points[:, 20:40] = [1e6, 1e6]
    window = follow(points, drawable, size, WINDOW)
    assert (window.scale > 0.05).all()
