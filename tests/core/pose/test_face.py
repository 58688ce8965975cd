import numpy as np
import pytest
from understudy.core.pose.bones import FAMILIES
from understudy.core.pose.detect import detect, from_mapping
from understudy.core.pose.face import CARRIED, LANDMARKS, MIRRORED, OFFSETS, SHAPES, expression, face_visible, fitted
from understudy.core.pose.head import OFFSETS as HEAD

LEFT, UP, FORWARD = range(3)
JAW, RIGHT_BROW, LEFT_BROW, NOSE, RIGHT_EYE, LEFT_EYE, LIPS = (
    slice(0, 17), slice(17, 22), slice(22, 27), slice(27, 36), slice(36, 42), slice(42, 48), slice(48, 68),
)  # fmt: skip


def test_the_usual_face_is_symmetrical_and_in_the_markups_order():
    mirrored = OFFSETS[[MIRRORED[number] for number in range(68)]] * (-1, 1, 1)
    np.testing.assert_array_equal(mirrored, OFFSETS)
    assert (OFFSETS[RIGHT_EYE, LEFT] < 0).all() and (OFFSETS[LEFT_EYE, LEFT] > 0).all()
    for run in (JAW, RIGHT_BROW, LEFT_BROW, slice(31, 36), slice(48, 55)):
        assert (np.diff(OFFSETS[run, LEFT]) > 0).all(), "from the person's right to the left"
    heights = [OFFSETS[part, UP].mean() for part in (LEFT_BROW, LEFT_EYE, NOSE, LIPS)]
    assert heights == sorted(heights, reverse=True)
    assert OFFSETS[:, UP].argmin() == 8, "the chin"
    assert OFFSETS[:, FORWARD].argmax() == 30, "the tip of the nose"


def test_the_face_agrees_with_the_heads_own_points():
    nose, right_eye, left_eye = HEAD[:3]
    np.testing.assert_allclose(OFFSETS[30], nose, atol=0.001)
    np.testing.assert_allclose(OFFSETS[LEFT_EYE].mean(axis=0), left_eye, atol=0.004)
    np.testing.assert_allclose(OFFSETS[RIGHT_EYE].mean(axis=0), right_eye, atol=0.004)


def test_nothing_known_leaves_the_usual_face():
    np.testing.assert_array_equal(fitted({}, {}), OFFSETS)
    np.testing.assert_allclose(fitted({}, LANDMARKS), OFFSETS, atol=1e-9)
    np.testing.assert_allclose(fitted({8: OFFSETS[8]}, {}), OFFSETS)


def test_eyes_further_apart_and_lower_widen_and_lower_the_face():
    eyes = {side: LANDMARKS[side] * (1.5, 1, 1) + (0, -0.02, 0.01) for side in ("left_eye", "right_eye")}
    face = fitted({}, eyes)
    assert np.ptp(face[JAW, LEFT]) == pytest.approx(1.5 * np.ptp(OFFSETS[JAW, LEFT]))
    np.testing.assert_allclose(face[LEFT_EYE].mean(axis=0) - OFFSETS[LEFT_EYE].mean(axis=0), (0.0093, -0.02, 0.012), atol=0.005)


def test_known_points_stay_and_the_rest_goes_with_them():
    longer = OFFSETS * (1, 1.3, 1)
    known = {number: longer[number] for number in (8, 27, 30, 36, 45, 51, 57)}
    face = fitted(known, {})
    np.testing.assert_allclose(face, longer, atol=1e-9)
    known[30] = known[30] + (0, 0, 0.02)
    np.testing.assert_allclose(fitted(known, {})[30], known[30])


def test_a_face_is_seen_up_to_its_profile():
    yaw = np.radians([0, 45, 85, 95, 135, 180])
    toward = np.stack([np.sin(yaw), 0 * yaw, np.cos(yaw)], axis=-1)
    assert face_visible(toward, np.array([0, 0, 1.0])).tolist() == [True, True, True, False, False, False]


def test_shape_keys_move_what_they_are_named_for():
    still = np.zeros(2)
    moved = expression({"jawOpen": np.array([0, 1.0]), "eyeBlinkLeft": np.array([0.5, 0]), "somethingElse": still})
    assert moved.shape == (2, 68, 3)
    assert (moved[1, list(CARRIED["jaw"]), UP] < -0.01).all()
    assert not moved[1, RIGHT_BROW].any() and not moved[0, LIPS].any()
    np.testing.assert_allclose(moved[0, 43], SHAPES["eyeBlinkLeft"][43] / 2)
    closed = OFFSETS + SHAPES["eyeBlinkLeft"]
    assert abs(closed[43, UP] - closed[47, UP]) < 0.001
    assert not expression({"unknown": still}).any()


def test_the_right_sides_shapes_mirror_the_lefts():
    for name, shape in SHAPES.items():
        if name.endswith("Left"):
            other = SHAPES[name.replace("Left", "Right")]
            np.testing.assert_allclose(other[[MIRRORED[n] for n in range(68)]] * (-1, 1, 1), shape)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.face_bones], ids=lambda family: family.name)
def test_the_faces_of_the_families_name_points_that_there_are(family):
    parts = {f"face_{number}" for number in range(68)} | CARRIED.keys()
    assert family.face_bones.keys() <= parts
    names = [name for names in family.face_bones.values() for name in names]
    assert len(names) == len(set(names))


def test_bones_of_the_face_are_found_with_the_family_and_with_the_users_mapping(read_with):
    rig = read_with("rigify_metarig")
    detection = detect(rig.parents)
    assert detection.face["face_30"] == "nose.002"
    assert detection.face["face_26"] == "brow.T.L.001"
    assert detection.face["face_17"] == "brow.T.R.001"
    assert detection.bones == {**detection.mapping, **detection.face}
    own = from_mapping(detection.mapping, rig.parents)
    assert own.face == detection.face
    assert detect(read_with("lafan1").parents).face == {}
