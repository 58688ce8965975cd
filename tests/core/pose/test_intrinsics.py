import numpy as np
from understudy.core.pose.intrinsics import Lens, camera_intrinsics, window_intrinsics


def test_auto_fit_follows_the_longer_side():
    lens = Lens(False, lens=36, ortho_scale=2, sensor_fit="AUTO", sensor_width=36, sensor_height=24, shift_x=0, shift_y=0)
    assert camera_intrinsics(lens, 400, 300)[0, 0] == 400
    assert camera_intrinsics(lens, 300, 400)[0, 0] == 400
    assert camera_intrinsics(lens, 300, 200, pixel_aspect=2)[0, 0] == 400, "pixels twice as high as wide"


def test_a_viewport_of_another_shape_is_fitted_whole_and_centred():
    window = np.array([[1.5, 0, 0, 0], [0, 2, 0, 0], [0, 0, -1, -0.2], [0, 0, -1, 0]])  # a centred perspective
    same = window_intrinsics(window, True, 800, 600, 800, 600)
    np.testing.assert_allclose(same, [[600, 0, 400], [0, 600, 300], [0, 0, 1]])
    portrait = window_intrinsics(window, True, 800, 600, 200, 400)
    np.testing.assert_allclose(portrait, [[150, 0, 100], [0, 150, 200], [0, 0, 1]])
