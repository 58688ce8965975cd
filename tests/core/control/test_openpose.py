import numpy as np
from understudy.core.control import openpose
from understudy.core.control.guide import draw_guide
from understudy.core.control.openpose import STYLES, draw_clip_frame
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import BODY_COLOURS, INDEX, KEYPOINT_COUNT


def person(**spots: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    points, shown = np.zeros((KEYPOINT_COUNT, 2), np.float32), np.zeros(KEYPOINT_COUNT, bool)
    for name, spot in spots.items():
        points[INDEX[name]], shown[INDEX[name]] = spot, True
    return points, shown


def draw(*figure, width, height, style="openpose"):
    return openpose.draw_openpose(*figure, width, height, STYLES[style])


def test_a_limb_is_dimmed_and_its_joints_are_not():
    picture = draw(*person(neck=(20, 30), right_shoulder=(80, 30)), width=100, height=60)
    assert tuple(picture[30, 20]) == BODY_COLOURS[INDEX["neck"]]
    assert tuple(picture[30, 80]) == BODY_COLOURS[INDEX["right_shoulder"]]
    assert tuple(picture[30, 50]) == (153, 0, 0)  # ff0000 at 0.6
    assert picture[30 + 4, 50].any() and not picture[30 + 6, 50].any()  # half width 4


def test_left_and_right_have_their_own_colours():
    right = draw(*person(right_elbow=(20, 20), right_wrist=(40, 20)), width=60, height=40)
    left = draw(*person(left_elbow=(20, 20), left_wrist=(40, 20)), width=60, height=40)
    assert tuple(right[20, 30]) == (153, 153, 0) and tuple(left[20, 30]) == (51, 153, 0)


def test_points_off_the_canvas_and_hidden_points_are_not_drawn():
    points, shown = person(neck=(20, 20), nose=(20, -1), right_hip=(20, 39))
    shown[INDEX["right_hip"]] = False
    picture = draw(points, shown, width=60, height=40)
    ys, xs = np.nonzero(picture.any(-1))
    assert (abs(ys - 20) <= 4).all() and (abs(xs - 20) <= 4).all()


def test_hands_are_drawn_in_their_hues_with_blue_points():
    picture = draw(*person(left_hand_wrist=(10, 30), left_hand_thumb_1=(50, 30)), width=60, height=60)
    assert tuple(picture[30, 30]) == (255, 0, 0) and tuple(picture[30, 50]) == (0, 0, 255)


def test_the_nearer_person_is_drawn_over_the_farther_one():
    def clip(depths):
        points = np.zeros((1, 2, KEYPOINT_COUNT, 3), np.float32)
        visible = np.zeros((1, 2, KEYPOINT_COUNT), bool)
        for someone, depth in enumerate(depths):
            points[0, someone, INDEX["neck"], 2] = depth
            points[0, someone, INDEX["nose"], 2] = depth
            visible[0, someone, INDEX["neck" if someone else "nose"]] = True
        lens = np.array([[[100, 0, 20], [0, 100, 20], [0, 0, 1]]], np.float32)
        one = np.ones(1, np.int32)
        return PoseClip(points, visible, lens, np.zeros(1, bool), one, 24.0, 40, 40, ("near", "far"))

    assert tuple(draw_clip_frame(clip((2, 5)), 0, 40, 40, STYLES["wan-animate"])[20, 20]) == BODY_COLOURS[INDEX["nose"]]
    assert tuple(draw_clip_frame(clip((5, 2)), 0, 40, 40, STYLES["wan-animate"])[20, 20]) == BODY_COLOURS[INDEX["neck"]]


def test_the_guide_shows_which_way_a_foot_points():
    points, shown = person(left_ankle=(40, 40), left_big_toe=(80, 60), left_small_toe=(80, 60))
    picture = draw_guide(points, shown, 128, 96)
    assert picture.shape == (96, 128, 3)
    assert picture[50, 60].any() and picture[60, 80].any()  # halfway along, and the toe
