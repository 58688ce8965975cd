"""What the looks of different models differ in."""

import cv2
import numpy as np
import pytest
from understudy.core.control.cylinders import OVERLAY
from understudy.core.control.guide import PICTURES, draw
from understudy.core.control.openpose import STYLES, draw_openpose, width_by_length
from understudy.core.errors import InvalidRequest
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import BODY_COLOURS, FACE, INDEX, KEYPOINT_COUNT, LEFT_HAND

WIDTH, HEIGHT = 512, 768
SWAPPED = {"musepose", "mimicmotion", "vace", "unianimate"}


def person(**spots: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    points, shown = np.zeros((KEYPOINT_COUNT, 2)), np.zeros(KEYPOINT_COUNT, bool)
    for name, spot in spots.items():
        points[INDEX[name]], shown[INDEX[name]] = spot, True
    return points, shown


def drawn(name: str, *figure: np.ndarray, width=WIDTH, height=HEIGHT) -> np.ndarray:
    return draw_openpose(*figure, width, height, STYLES[name])


def colours(picture: np.ndarray) -> set[str]:
    return {bytes(colour).hex() for colour in np.unique(picture.reshape(-1, 3), axis=0)}


@pytest.mark.parametrize("name", STYLES)
def test_red_and_blue_are_in_the_order_of_the_style(name):
    picture = drawn(name, *person(neck=(100, 100), right_shoulder=(300, 100)))
    assert bytes(picture[100, 200]).hex() == ("000099" if name in SWAPPED else "990000")  # ff0000 at 0.6
    assert bytes(picture[100, 300]).hex() == ("00aaff" if name in SWAPPED else "ffaa00")


@pytest.mark.parametrize(
    ("name", "hands", "face"),
    [
        ("openpose", True, True), ("dwpose", True, True), ("wan-animate", True, False), ("musepose", True, False),
        ("unianimate", True, False), ("mimicmotion", True, True), ("vace", False, True),
    ],
)  # fmt: skip
def test_hands_and_faces_are_drawn_where_the_model_reads_them(name, hands, face):
    everything = np.full((KEYPOINT_COUNT, 2), 200.0)
    for part, wanted in ((LEFT_HAND, hands), (FACE, face)):
        shown = np.zeros(KEYPOINT_COUNT, bool)
        shown[part] = True
        assert drawn(name, everything, shown).any() == wanted


@pytest.mark.parametrize(
    ("name", "left_limb", "left_joint", "right_limb", "right_joint"),
    [
        ("wan-animate", "ff0055", "c8c800", "c8c800", "646400"),
        ("unianimate", "ff0055", "aaffff", "aaffff", "ffff00"),
    ],
)
def test_toes_have_their_published_colours(name, left_limb, left_joint, right_limb, right_joint):
    for side, limb, joint in (("left", left_limb, left_joint), ("right", right_limb, right_joint)):
        foot = {f"{side}_ankle": (100, 100), f"{side}_big_toe": (200, 80), f"{side}_small_toe": (200, 120)}
        picture = drawn(name, *person(**foot))
        picture = picture[..., ::-1] if name in SWAPPED else picture
        dimmed = [int(channel * 0.6) for channel in bytes.fromhex(limb)]
        assert picture[100, 150].tolist() == dimmed
        assert bytes(picture[100, 200]).hex() == joint  # the middle of both toes
        assert not drawn("dwpose", *person(**{key: spot for key, spot in foot.items() if "toe" in key})).any()


@pytest.mark.parametrize(("width", "height", "stick"), [(512, 768, 1), (1280, 720, 2), (1080, 1920, 4), (128, 128, 1)])
def test_wan_animates_sticks_grow_with_the_canvas(width, height, stick):
    picture = drawn("wan-animate", *person(neck=(50, 50)), width=width, height=height)
    lit = np.nonzero(picture.any(-1))
    assert lit[0].max() - lit[0].min() == lit[1].max() - lit[1].min() == 2 * stick
    hand = drawn("wan-animate", *person(left_hand_wrist=(50, 50)), width=width, height=height)
    assert np.ptp(np.nonzero(hand.any(-1))[0]) == 2 * max(stick // 2, 1)


def test_museposes_limbs_are_wider_where_longer():
    lengths = [4.9, 5, 10, 20, 40, 80, 160, 320, 900]
    assert [width_by_length(length) for length in lengths] == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    for length in (100, 330):
        picture = drawn("musepose", *person(neck=(80, 100), right_shoulder=(80 + length, 100)))
        assert picture[:, 80 + length // 2].any(-1).sum() == 2 * width_by_length(length) + 1


def test_dwpose_draws_layer_by_layer_and_openpose_person_by_person():
    """Where the second person's limb crosses the first one's joint."""
    first, second = person(neck=(100, 100)), person(right_hip=(60, 100), right_knee=(140, 100))
    points, shown = np.stack([first[0], second[0]]), np.stack([first[1], second[1]])
    assert tuple(drawn("dwpose", points, shown)[100, 100]) == BODY_COLOURS[1]
    assert tuple(drawn("openpose", points, shown)[100, 100]) == tuple(int(c * 0.6) for c in BODY_COLOURS[7])


def test_musepose_draws_the_nearest_person_only(film):
    clip = film(0)
    far, near = clip.points_cam - np.float32([0.6, 0, -1]), clip.points_cam + np.float32([0.3, 0, 0])
    both = PoseClip(**{
        **vars(clip), "points_cam": np.concatenate([near, far], 1), "people": ("near", "far"),
        "visible": np.repeat(clip.visible, 2, 1),
    })  # fmt: skip
    alone = PoseClip(**{**vars(clip), "points_cam": near})
    np.testing.assert_array_equal(*(next(draw(each, "musepose", 192, 288)) for each in (both, alone)))
    assert (next(draw(both, "dwpose", 192, 288)) != next(draw(alone, "dwpose", 192, 288))).any()


@pytest.mark.parametrize(
    ("name", "canvas", "interpolation"),
    [
        ("openpose", (512, 704), cv2.INTER_LINEAR),
        ("wan-animate", (768, 1024), None),
        ("unianimate", (512, 683), cv2.INTER_LINEAR),
        ("musepose", (1024, 1344), cv2.INTER_LINEAR),
        ("mimicmotion", (2160, 2880), cv2.INTER_LINEAR),
        ("vace", (1024, 1344), cv2.INTER_AREA),
    ],
)
def test_pictures_are_drawn_at_the_models_own_size_and_resized(film, name, canvas, interpolation):
    clip = film(30, size=(768, 1024))
    (picture,) = draw(clip, name, 768, 1024)
    points = clip.pixels()[0] * (np.array(canvas) / (768, 1024))
    expected = draw_openpose(points, clip.drawable()[0], *canvas, STYLES[name])
    if interpolation is not None:
        expected = cv2.resize(expected, (768, 1024), interpolation=interpolation)
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_the_size_asked_for_and_frames_can_be_chosen(film, name):
    clip = film(0, 60, 120)
    pictures = list(draw(clip, name, 66, 98, [2, 0]))
    assert [(picture.shape, picture.dtype) for picture in pictures] == [((98, 66, 3), np.uint8)] * 2
    np.testing.assert_array_equal(pictures[0], list(draw(clip, name, 66, 98))[2])


def test_a_style_that_there_is_not_is_refused(film):
    with pytest.raises(InvalidRequest, match=r"no control picture 'oil'.*dwpose"):
        draw(film(0), "oil", 64, 64)


def test_faces_have_aniportraits_lines():
    points, shown = np.zeros((1, 1, KEYPOINT_COUNT, 3), np.float32), np.zeros((1, 1, KEYPOINT_COUNT), bool)
    eyes = {36: (-0.5, -0.2), 37: (-0.2, -0.2), 42: (0.2, -0.2), 43: (0.5, -0.2)}
    for number, spot in {**eyes, 8: (0, 0.5), 9: (0.3, 0.5)}.items():
        points[0, 0, FACE.start + number] = *spot, 1
        shown[0, 0, FACE.start + number] = True
    lens = np.array([[[256, 0, 256], [0, 256, 256], [0, 0, 1]]], np.float32)
    one = np.ones(1, np.int32)
    clip = PoseClip(points, shown, lens, np.zeros(1, bool), one, 24.0, 512, 512, ("somebody",))
    (picture,) = draw(clip, "face", 512, 512)
    spots = {"right eye": (205, 166), "left eye": (205, 346), "jaw": (384, 295)}
    assert {name: tuple(picture[spot].tolist()) for name, spot in spots.items()} == {
        "right eye": (10, 200, 180), "left eye": (180, 200, 10), "jaw": (10, 200, 10),
    }  # fmt: skip
    assert len(colours(picture)) == 4 and picture[150:250, 345].any(-1).sum() in (2, 3)


def test_scails_capsules_are_lit_and_fade_with_depth(film):
    clip = film(0, size=(384, 576))
    (picture,) = draw(clip, "scail", 384, 576)
    x, y = clip.pixels()[0, 0, [INDEX["left_hip"], INDEX["left_knee"]]].mean(0).astype(int)
    row = picture[y, x - 12 : x + 13].any(-1)
    tall, focal = 1.7, 576 * 1.8
    assert abs(row.sum() - 2 * 0.0215 * tall / 1.7 * focal / 4) <= 1.5  # 2 x 21.5 mm, 4 m away
    # Facing the camera: all of the limb's colour (5500ff / 300 + 0.15), and half of white on top.
    colour = np.array([0x55, 0, 0xFF]) / 300 + 0.15
    brightest = picture[y, x - 12 : x + 13].max(0) / 255
    fade = brightest[1] / (colour[1] + 0.5)
    assert 0.9 < fade <= 1  # at the near end of the depths
    np.testing.assert_allclose(brightest, np.clip((colour + 0.5) * fade, 0, 1), atol=0.02)


def test_scail_shows_brows_eyes_and_mouth_but_no_jaw_and_no_nose():
    for number, wanted in ((0, False), (16, False), (17, True), (26, True), (27, False), (35, False), (36, True), (67, True)):
        points, shown = np.zeros((KEYPOINT_COUNT, 2)), np.zeros(KEYPOINT_COUNT, bool)
        points[FACE.start + number], shown[FACE.start + number] = (50, 50), True
        assert draw_openpose(points, shown, 100, 100, OVERLAY).any() == wanted
    eyes = person(nose=(50, 50), left_eye=(80, 40), neck=(50, 90))
    assert colours(draw_openpose(*eyes, 100, 100, OVERLAY)) == {"000000", "990099"}  # ff00ff at 0.6; no joint, no neck
