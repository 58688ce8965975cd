"""DensePose, depth, normals and SMPL's joints of somebody who stands."""

import numpy as np
import pytest
from understudy.core.control import body_maps
from understudy.core.control.body_maps import PART_COLOURS
from understudy.core.control.guide import draw, draw_together
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.mannequin import statures
from understudy.core.pose.skeleton import INDEX

GROUND = 0
# Of parts 0 to 24, as MagicAnimate's pictures have them.
_CODES = """440154 471063 481f70 472c7a 443983 404688 3b518b 365d8d 31688e 2c718e 287c8e 25858e 21908d 1f9a8a 20a386 27ad81
35b779 46c06f 5cc863 73d056 8ed645 aadc32 c5e021 e2e418 fde725"""
PUBLISHED = _CODES.split()


def place(clip: PoseClip, *names: str, frame: int = 0) -> tuple[int, int]:
    """Row and column of the middle between joints."""
    x, y = clip.pixels()[frame, 0, [INDEX[name] for name in names]].mean(0)
    return int(y), int(x)


def parts(picture: np.ndarray) -> np.ndarray:
    """The number of the part in every pixel, [H, W]."""
    difference = np.abs(picture[:, :, None].astype(int) - PART_COLOURS).sum(-1)
    assert (difference.min(-1) == 0).all()
    return difference.argmin(-1)


def test_part_colours_are_the_published_ones():
    assert [bytes(colour).hex() for colour in PART_COLOURS.tolist()] == PUBLISHED


def test_parts_have_their_side_and_their_front(film):
    """Seen from the front, the left, the back and the right."""
    clip = film(0, -90, 180, 90)
    front, left, back, right = map(parts, draw(clip, "densepose", clip.width, clip.height))
    assert front[0, 0] == GROUND
    for side, thigh, shin, foot, hand in (("left", 10, 14, 5, 4), ("right", 9, 13, 6, 3)):
        assert front[place(clip, f"{side}_hip", f"{side}_knee")] == thigh
        assert front[place(clip, f"{side}_knee", f"{side}_ankle")] == shin
        assert front[place(clip, f"{side}_big_toe", f"{side}_ankle")] == foot
        assert front[place(clip, f"{side}_hand_middle_1", f"{side}_hand_wrist")] == hand
    for side, thigh, shin in (("left", 8, 12), ("right", 7, 11)):
        assert back[place(clip, f"{side}_hip", f"{side}_knee", frame=2)] == thigh
        assert back[place(clip, f"{side}_knee", f"{side}_ankle", frame=2)] == shin
    chest = place(clip, "neck", "left_hip", "right_hip")
    assert front[chest] == 2 and back[chest] == 1
    for view, frame, side, upper, fore, head in ((left, 1, "left", 17, 21, 24), (right, 3, "right", 18, 22, 23)):
        assert view[place(clip, f"{side}_shoulder", f"{side}_elbow", frame=frame)] == upper  # outside
        assert view[place(clip, f"{side}_elbow", f"{side}_wrist", frame=frame)] == fore
        assert view[place(clip, f"{side}_ear", frame=frame)] == head
    row, column = place(clip, "left_ear", "right_ear")
    assert front[row, column + 4] == 24 and front[row, column - 4] == 23
    assert back[row, column + 4] == 23 and back[row, column - 4] == 24


def test_raised_arms_show_their_inside_from_below_and_their_outside_from_above(film):
    def raise_arms(points):
        for side, sign in (("left", 1), ("right", -1)):
            for joint, out in (("elbow", 0.46), ("wrist", 0.70)):
                points[INDEX[f"{side}_{joint}"]] = sign * out, 1.40, 0
            hand = [number for name, number in INDEX.items() if name.startswith(f"{side}_hand")]
            points[hand, 0], points[hand, 1] = sign * (0.70 + 0.86 - points[hand, 1]), 1.40  # palms down

    for tilt, expected in ((50, {"left": (17, 21), "right": (18, 22)}), (-50, {"left": (15, 19), "right": (16, 20)})):
        clip = film(0, tilt=tilt, change=raise_arms)
        numbers = parts(next(draw(clip, "densepose", clip.width, clip.height)))
        for side, (upper, fore) in expected.items():
            assert numbers[place(clip, f"{side}_shoulder", f"{side}_elbow")] == upper
            assert numbers[place(clip, f"{side}_elbow", f"{side}_wrist")] == fore


def test_a_bent_knee_keeps_its_front_in_front(film):
    """Kneeling on one knee: the thigh points at the camera, and its front up."""

    def sit(points):
        for side, sign in (("left", 1), ("right", -1)):
            points[INDEX[f"{side}_knee"]] = sign * 0.10, 0.92, 0.42
            foot = [INDEX[f"{side}_{name}"] for name in ("ankle", "heel", "big_toe", "small_toe")]
            points[foot] += 0, 0.42, 0.42

    clip = film(0, tilt=60, change=sit)
    numbers = parts(next(draw(clip, "densepose", clip.width, clip.height)))
    assert numbers[place(clip, "left_hip", "left_knee")] == 10
    assert numbers[place(clip, "right_hip", "right_knee")] == 9


def test_depth_is_brighter_where_nearer_over_the_whole_clip(film):
    clip = film(0, -90)
    front, left = draw(clip, "depth", clip.width, clip.height)
    assert (front[..., 0] == front[..., 1]).all() and (front[0, 0] == 0).all()
    assert front[place(clip, "left_big_toe")][0] > front[place(clip, "left_ankle", "left_knee")][0]
    near, far = left[place(clip, "left_wrist", frame=1)][0], front[place(clip, "left_wrist")][0]
    assert near > far + 50  # 0.34 m nearer to the camera after the turn
    assert front[front > 0].min() >= 51


def test_normals_are_those_of_the_camera(film):
    clip = film(0)
    (picture,) = draw(clip, "normal", clip.width, clip.height)
    assert (picture[0, 0] == 0).all()
    red, green, blue = picture[place(clip, "left_knee", "left_ankle")].astype(int)
    assert abs(red - 128) < 40 and abs(green - 128) < 40 and blue > 235
    row, column = place(clip, "left_knee", "left_ankle")
    lit = np.nonzero(picture[row].any(-1))[0]
    leg = lit[(lit > column - 8) & (lit < column + 9)]
    assert picture[row, leg.max(), 0] > 190 and picture[row, leg.min(), 0] < 65  # right edge faces right
    assert picture[:, column][picture[:, column].any(-1)][0, 1] > 190  # the topmost faces up


def test_joints_have_champs_colours(film):
    """Viridis at ten times SMPL's number; that of 1 and of 17 happen to be among DensePose's colours too."""
    clip = film(0)
    (picture,) = draw(clip, "semantic", clip.width, clip.height)
    assert (picture[0, 0] == 0).all()
    thigh, arm = picture[place(clip, "left_hip", "left_knee")], picture[place(clip, "right_shoulder", "right_elbow")]
    assert bytes(thigh).hex() == PUBLISHED[1] and bytes(arm).hex() == PUBLISHED[16]
    # Those of the others lie between DensePose's neighbours of their numbers: the head's is 150, between 148 and 159.
    head = picture[place(clip, "left_ear", "right_ear")].astype(int)
    neighbours = np.array([tuple(bytes.fromhex(PUBLISHED[number])) for number in (14, 15)])
    assert (head >= neighbours.min(0)).all() and (head <= neighbours.max(0)).all()


def test_stature_is_read_from_limbs_and_does_not_change_with_the_pose(film):
    def crouch(points):
        points[INDEX["left_ankle"]], points[INDEX["right_ankle"]] = (0.1, 0.5, -0.42), (-0.1, 0.5, -0.42)

    (standing,), (crouching,) = statures(film(0, 45, 90)), statures(film(0, change=crouch))
    assert standing == pytest.approx(1.7, rel=0.06)
    assert crouching == pytest.approx(standing, rel=0.01)


def test_nobody_to_see_leaves_the_ground(film):
    clip = film(0)
    hidden = PoseClip(**{**vars(clip), "visible": np.zeros_like(clip.visible)})
    for style, ground in (("densepose", PART_COLOURS[0]), ("depth", 0), ("normal", 0), ("semantic", 0), ("scail", 0)):
        assert (next(draw(hidden, style, 64, 96)) == ground).all()


def test_another_size_keeps_the_whole_picture_in_its_middle(film):
    clip = film(0)
    (tall,), (wide,) = draw(clip, "densepose", 256, 384), draw(clip, "densepose", 512, 384)
    np.testing.assert_array_equal(wide[:, 128:384], tall)


def test_of_each_frame_the_body_is_cast_once_for_all_its_pictures(film, monkeypatch):
    clip, styles, casts = film(0, 90), ("depth", "normal", "semantic", "dwpose", "densepose"), []
    alone = [list(draw(clip, style, 60, 90, [1, 0])) for style in styles]
    look_at = body_maps.look_at
    monkeypatch.setattr(body_maps, "look_at", lambda *given: casts.append(given) or look_at(*given))
    together = list(draw_together(clip, styles, 60, 90, [1, 0]))
    assert len(casts) == 2
    for frame, pictures in enumerate(together):
        for picture, same in zip(pictures, alone, strict=True):
            np.testing.assert_array_equal(picture, same[frame])
