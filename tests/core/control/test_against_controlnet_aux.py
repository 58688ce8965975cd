"""Our skeleton, pixel for pixel, against the one that controlnet_aux draws."""

from __future__ import annotations

import numpy as np
import pytest
from understudy.core.control.openpose import STYLES, draw_openpose
from understudy.core.pose.skeleton import FACE, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND

from tooling import controlnet_aux
from tooling.environment import SetupError

WIDTH, HEIGHT = 512, 768
EVERYTHING = np.ones(KEYPOINT_COUNT, bool)


@pytest.fixture(scope="module")
def theirs():
    try:
        return controlnet_aux.load()
    except SetupError as error:
        pytest.skip(str(error))


def figures(count: int) -> np.ndarray:
    """People of random limbs all over the canvas, with hands and faces of a likely size: f64 [count, 134, 2], fractions."""
    random = np.random.default_rng(count)
    points = random.uniform(0.02, 0.98, (count, KEYPOINT_COUNT, 2))
    for part in (FACE, LEFT_HAND, RIGHT_HAND):
        centre = random.uniform(0.2, 0.8, (count, 1, 2))
        points[:, part] = centre + random.normal(0, 0.04, points[:, part].shape)
    return points.clip(0.01, 0.99)


@pytest.mark.parametrize("style", ["openpose", "dwpose"])
def test_body_hands_and_face_are_the_same_in_every_pixel(theirs, style):
    for points in figures(60):
        ours = draw_openpose(points * (WIDTH, HEIGHT), EVERYTHING, WIDTH, HEIGHT, STYLES[style])
        np.testing.assert_array_equal(ours, theirs[style](points, WIDTH, HEIGHT))


@pytest.mark.parametrize("style", ["openpose", "dwpose"])
def test_points_in_the_first_row_and_column_are_the_same_too(theirs, style):
    for points in figures(20):
        points[::7, 0] = 0.5 / WIDTH
        points[::11, 1] = 0.5 / HEIGHT
        ours = draw_openpose(points * (WIDTH, HEIGHT), EVERYTHING, WIDTH, HEIGHT, STYLES[style])
        np.testing.assert_array_equal(ours, theirs[style](points, WIDTH, HEIGHT))
