import cv2
import numpy as np
import pytest
from understudy.blender_addon.figure import draw_crosses, draw_frame, draw_people, draw_rectangle, stick_of, triangles_of
from understudy.core.control.openpose import STYLES, draw_openpose
from understudy.core.pose.skeleton import BODY, FACE, INDEX, LEFT_HAND

SIZE = (512, 512)


def paint(outlines) -> np.ndarray:
    """The outlines as the gpu would fill them, y down: uint8 [512, 512, 3]."""
    canvas = np.zeros((*SIZE, 3), np.uint8)
    corners, colours = outlines.corners.reshape(-1, 2), np.repeat(outlines.colours, outlines.corners.shape[1], axis=0)
    for triangle in triangles_of(len(outlines.corners)):
        colour = tuple(int(channel) for channel in np.round(colours[triangle[0], :3] * 255))
        cv2.fillConvexPoly(canvas, np.round(corners[triangle] * 16).astype(np.int32), colour, shift=4)
    return canvas


@pytest.fixture
def somebody() -> np.ndarray:
    """134 points of a person standing, arms out."""
    points = np.zeros((134, 2))
    body = [
        (256, 80), (256, 130), (210, 130), (170, 180), (140, 230), (302, 130), (342, 180), (372, 230), (230, 270), (225, 370),
        (220, 460), (282, 270), (287, 370), (292, 460), (246, 70), (266, 70), (232, 76), (280, 76),
    ]  # fmt: skip
    points[BODY] = body
    points[LEFT_HAND] = [(372, 230), *((360 + 12 * finger, 240 + 8 * joint) for finger in range(5) for joint in range(1, 5))]
    points[FACE] = [(240 + number % 8 * 4, 60 + number // 8 * 4) for number in range(68)]
    return points


def test_the_triangles_show_what_the_control_picture_shows(somebody):
    shown = np.zeros(134, bool)
    shown[BODY] = shown[LEFT_HAND] = True
    expected = draw_openpose(somebody[None], shown[None], *SIZE, STYLES["openpose"])
    painted = paint(draw_people(somebody[None], shown[None], np.array([4.0])))
    drawn, wanted = painted.any(axis=-1), expected.any(axis=-1)
    assert (drawn & wanted).sum() / (drawn | wanted).sum() > 0.85, "the same area, but for truncated pixels"
    for x, y in ((190, 155), (256, 105), (226, 320), (230, 270), (250, 200)):  # limbs, and a joint
        np.testing.assert_allclose(painted[y, x].astype(int), expected[y, x], atol=2)


def test_a_limb_is_drawn_only_where_both_ends_are_shown(somebody):
    shown = np.zeros(134, bool)
    shown[[INDEX["right_elbow"], INDEX["right_wrist"]]] = True
    sticks = np.array([4.0])
    both = draw_people(somebody[None], shown[None], sticks)
    shown[INDEX["right_wrist"]] = False
    one = draw_people(somebody[None], shown[None], sticks)
    assert len(one.corners) == 1, "the elbow's disc is left"
    assert len(both.corners) == 3, "two discs and the limb"


def test_a_toe_is_drawn_where_both_its_points_are_shown(somebody):
    somebody[INDEX["left_big_toe"]], somebody[INDEX["left_small_toe"]] = (300, 480), (320, 480)
    shown = np.zeros(134, bool)
    shown[INDEX["left_big_toe"]] = True
    assert not len(draw_people(somebody[None], shown[None], np.array([4.0])).corners)
    shown[INDEX["left_small_toe"]] = True
    toe = draw_people(somebody[None], shown[None], np.array([4.0]))
    np.testing.assert_allclose(toe.corners.mean(axis=(0, 1)), [310, 480], atol=1)


def test_later_people_are_drawn_over_earlier_ones_each_in_its_own_width(somebody):
    shown = np.zeros((2, 134), bool)
    shown[0, INDEX["nose"]], shown[1, INDEX["left_ear"]] = True, True
    points = np.tile(somebody, (2, 1, 1))
    points[1, INDEX["left_ear"]] = points[0, INDEX["nose"]]
    figures = draw_people(points, shown, np.array([8.0, 4.0]))
    painted = paint(figures)
    assert painted[80, 256].tolist() == [255, 0, 85], "the second's ear over the first's nose"
    assert painted[80, 256 + 6].tolist() == [255, 0, 0]


def test_nobody_is_nothing_at_all():
    figures = draw_people(np.zeros((0, 134, 2)), np.zeros((0, 134), bool), np.zeros(0))
    assert len(triangles_of(len(figures.corners))) == 0
    assert figures.colours.shape == (0, 4)


def test_limbs_are_as_wide_as_in_the_control_picture():
    assert stick_of(512, 768) == 4
    assert stick_of(64, 64) == 2


def test_what_is_missing_is_a_red_cross():
    painted = paint(draw_crosses(np.array([(100.0, 200.0)]), 10))
    assert painted[200, 100].tolist() == painted[207, 107].tolist() == painted[193, 107].tolist() == [255, 40, 40]
    assert not painted[200, 115].any()


def test_the_picture_is_framed_and_its_ground_darkened():
    low, high = np.array([100.0, 100.0]), np.array([200.0, 300.0])
    frame = paint(draw_frame(low, high, 2, (255, 255, 255), 1.0))
    assert frame[200, 100].all() and frame[100, 150].all() and not frame[200, 150].any()
    ground = draw_rectangle(low, high, (0, 0, 0), 0.5)
    assert ground.colours[0].tolist() == [0, 0, 0, 0.5]
    np.testing.assert_array_equal([ground.corners.min(axis=(0, 1)), ground.corners.max(axis=(0, 1))], [low, high])
