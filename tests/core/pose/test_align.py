import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.core.errors import InvalidClip, InvalidRequest
from understudy.core.pose.align import USUAL, Proportions, align, fit, measure
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import INDEX

FRAMES = 40
UP = np.array([0, -1.0, 0])  # camera space: y down
LEFT_JOINTS = {  # to the person's left, up, forward; statures
    "shoulder": (0.1, 0.812, 0), "elbow": (0.2, 0.66, 0.01), "wrist": (0.25, 0.53, 0.06), "hip": (0.054, 0.5285, 0),
    "knee": (0.054, 0.2837, 0.012), "ankle": (0.054, 0.0385, 0), "eye": (0.0185, 0.927, 0.058), "ear": (0.049, 0.917, 0),
    "big_toe": (0.045, 0.0, 0.11), "small_toe": (0.075, 0.0, 0.09), "heel": (0.054, 0.0, -0.03),
}  # fmt: skip


def standing() -> np.ndarray:
    """Keypoints [134, 3] in camera space of a person of 1.7 m that faces the camera, 5 m away, the camera 1 m up."""
    points = np.zeros((134, 3))
    points[INDEX["nose"]] = (0, 0.905, 0.075)
    for part, (aside, up, forward) in LEFT_JOINTS.items():
        points[INDEX[f"left_{part}"]], points[INDEX[f"right_{part}"]] = (aside, up, forward), (-aside, up, forward)
    points[INDEX["neck"]] = (points[INDEX["left_shoulder"]] + points[INDEX["right_shoulder"]]) / 2
    for side, sign in (("left", 1), ("right", -1)):
        hand = slice(INDEX[f"{side}_hand_wrist"], INDEX[f"{side}_hand_wrist"] + 21)
        points[hand] = points[INDEX[f"{side}_wrist"]] + np.linspace(0, 1, 21)[:, None] * (sign * 0.02, -0.1, 0.02)
    points[24:92] = (0, 0.9, 0.07)
    return 1.7 * points * (1, -1, -1) + (0, 1, 5)


def walking() -> np.ndarray:
    """[40, 134, 3]: steps to the person's left, one foot planted at a time while the hips travel and bob."""
    points = np.tile(standing(), (FRAMES, 1, 1))
    phase = np.arange(FRAMES) / 10
    upper = [row for name, row in INDEX.items() if not any(part in name for part in ("ankle", "toe", "heel", "knee"))]
    points[:, upper] += np.stack([0.15 * phase, 0.05 + 0.02 * np.cos(2 * np.pi * phase), 0 * phase], axis=-1)[:, None]
    for side, shift in (("left", 0), ("right", 1)):
        step = (phase + shift) / 2
        swing = np.clip(2 * (step % 1) - 1, 0, 1)
        travel = 0.3 * (np.floor(step) + swing - shift / 2)
        feet = [INDEX[f"{side}_{part}"] for part in ("ankle", "big_toe", "small_toe", "heel")]
        points[:, feet] += np.stack([travel, -0.1 * np.sin(np.pi * swing), 0 * swing], axis=-1)[:, None]
        hip, ankle = points[:, INDEX[f"{side}_hip"]], points[:, INDEX[f"{side}_ankle"]]
        half = np.linalg.norm(hip - ankle, axis=-1) / 2
        forward = np.sqrt(np.maximum((0.2465 * 1.7) ** 2 - half**2, 0))
        points[:, INDEX[f"{side}_knee"]] = (hip + ankle) / 2 + forward[:, None] * (0, 0, -1)
    return points


@pytest.fixture(scope="module")
def clip() -> PoseClip:
    return clip_of(walking())


def clip_of(points: np.ndarray, **changes) -> PoseClip:
    count = len(points)
    made = PoseClip(
        points[:, None].astype(np.float32), np.ones((count, 1, 134), bool),
        np.tile(np.array([[500, 0, 256], [0, 500, 384], [0, 0, 1]], np.float32), (count, 1, 1)), np.zeros(count, bool),
        np.arange(count, dtype=np.int32), 24.0, 512, 768, ("Ann",),
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def relative(proportions: Proportions) -> dict[str, float]:
    return {name: length / proportions.height for name, length in dataclasses.asdict(proportions).items()}


some_proportions = st.builds(
    lambda factors: Proportions(*(length * factor for length, factor in zip(dataclasses.astuple(USUAL), factors, strict=True))),
    st.lists(st.floats(0.7, 1.4), min_size=9, max_size=9),
)


def test_no_strength_and_own_proportions_change_nothing(clip):
    assert align(clip, {"Ann": USUAL}, 0) is clip
    same = align(clip, {"Ann": measure(clip.points_cam[:, 0])})
    np.testing.assert_allclose(same.points_cam, clip.points_cam, atol=2e-4)
    taller = Proportions(*(2.5 * length for length in dataclasses.astuple(measure(clip.points_cam[:, 0]))))
    np.testing.assert_allclose(
        align(clip, {"Ann": taller}).points_cam, same.points_cam, atol=1e-6, err_msg="size is not proportion"
    )


@settings(max_examples=25, deadline=None)
@given(wanted=some_proportions)
def test_the_clip_gets_the_proportions_at_every_frame_and_keeps_its_stature(clip, wanted):
    aligned = align(clip, {"Ann": wanted})
    before, after = measure(clip.points_cam[:, 0]), measure(aligned.points_cam[:, 0])
    assert after.height == pytest.approx(before.height, rel=0.01)
    for name, length in relative(wanted).items():
        assert relative(after)[name] == pytest.approx(length, rel=0.02), name
    for side in ("left", "right"):
        for start, end in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow")):
            bone = aligned.points_cam[:, 0, INDEX[f"{side}_{end}"]] - aligned.points_cam[:, 0, INDEX[f"{side}_{start}"]]
            usual = clip.points_cam[:, 0, INDEX[f"{side}_{end}"]] - clip.points_cam[:, 0, INDEX[f"{side}_{start}"]]
            ratio = np.linalg.norm(bone, axis=-1) / np.linalg.norm(usual, axis=-1)
            assert np.ptp(ratio) < 1e-3, "constant over time"


@settings(max_examples=25, deadline=None)
@given(wanted=some_proportions, strength=st.floats(0, 1))
def test_planted_feet_stay_planted_on_the_same_ground(clip, wanted, strength):
    aligned = align(clip, {"Ann": wanted}, strength)
    for side in ("left", "right"):
        heel, new_heel = (each.points_cam[:, 0, INDEX[f"{side}_heel"]] for each in (clip, aligned))
        planted = np.linalg.norm(np.diff(heel, axis=0), axis=-1) < 1e-6
        assert planted.sum() > 10
        assert np.linalg.norm(np.diff(new_heel, axis=0), axis=-1)[planted].max() < 2e-3
    assert (aligned.points_cam[:, 0, 18:24] @ UP).min() == pytest.approx((clip.points_cam[:, 0, 18:24] @ UP).min(), abs=1e-3)


def test_the_way_is_scaled_by_the_legs(clip):
    short = dataclasses.replace(USUAL, thigh=0.18, shin=0.18)
    aligned = align(clip, {"Ann": short})
    before, after = measure(clip.points_cam[:, 0]), measure(aligned.points_cam[:, 0])
    travel = [each.points_cam[-1, 0, INDEX["neck"], 0] - each.points_cam[0, 0, INDEX["neck"], 0] for each in (clip, aligned)]
    assert after.leg / before.leg < 0.9
    assert travel[1] / travel[0] == pytest.approx(after.leg / before.leg, rel=1e-3)


def test_half_the_strength_is_between(clip):
    short = dataclasses.replace(USUAL, upper_arm=0.1)
    arms = [measure(align(clip, {"Ann": short}, strength).points_cam[:, 0]).upper_arm for strength in (0, 0.5, 1)]
    assert arms[0] > arms[1] > arms[2]
    assert arms[1] ** 2 == pytest.approx(arms[0] * arms[2], rel=1e-3)


def test_hands_head_and_face_follow(clip):
    big = dataclasses.replace(USUAL, head=0.2, forearm=0.25)
    aligned = align(clip, {"Ann": big})
    points = aligned.points_cam[:, 0]
    np.testing.assert_allclose(points[:, INDEX["left_hand_wrist"]], points[:, INDEX["left_wrist"]], atol=1e-5)
    ears = points[:, [INDEX["left_ear"], INDEX["right_ear"]]].mean(axis=1)
    old_ears = clip.points_cam[:, 0, [INDEX["left_ear"], INDEX["right_ear"]]].mean(axis=1)
    grown = np.linalg.norm(points[:, 30] - ears, axis=-1) / np.linalg.norm(clip.points_cam[:, 0, 30] - old_ears, axis=-1)
    assert (grown > 1.5).all()


def test_a_moving_camera_does_not_move_the_ground(clip):
    turn = np.radians(np.linspace(0, 90, FRAMES))
    views = np.tile(np.eye(4), (FRAMES, 1, 1))
    views[:, 0, 0] = views[:, 2, 2] = np.cos(turn)
    views[:, 0, 2], views[:, 2, 0] = np.sin(turn), -np.sin(turn)
    views[:, :3, 3] = np.linspace(0, 1, FRAMES)[:, None] * (0.5, 0.1, -1)
    world = clip.points_cam[:, 0].astype(float)
    seen = np.einsum("tij,tkj->tki", views[:, :3, :3], world) + views[:, None, :3, 3]
    wanted = {"Ann": dataclasses.replace(USUAL, thigh=0.2)}
    still = align(clip, wanted).points_cam[:, 0]
    moving = align(clip_of(seen), wanted, views=views).points_cam[:, 0]
    np.testing.assert_allclose(moving, np.einsum("tij,tkj->tki", views[:, :3, :3], still) + views[:, None, :3, 3], atol=1e-4)


def test_only_the_named_people_change(clip):
    two = dataclasses.replace(
        clip,
        people=("Ann", "Bob"),
        points_cam=np.repeat(clip.points_cam, 2, axis=1),
        visible=np.repeat(clip.visible, 2, axis=1),
    )
    aligned = align(two, {"Bob": dataclasses.replace(USUAL, thigh=0.2)})
    np.testing.assert_array_equal(aligned.points_cam[:, 0], two.points_cam[:, 0])
    assert np.abs(aligned.points_cam[:, 1] - two.points_cam[:, 1]).max() > 0.01
    assert aligned.source["aligned"]["Bob"]["strength"] == 1


def test_what_cannot_be_aligned_is_refused(clip):
    with pytest.raises(InvalidRequest, match="between 0 and 1"):
        align(clip, {"Ann": USUAL}, 1.5)
    with pytest.raises(InvalidRequest, match="nobody called Eve"):
        align(clip, {"Eve": USUAL})
    with pytest.raises(InvalidRequest, match="upper arm is 0"):
        dataclasses.replace(USUAL, upper_arm=0)
    with pytest.raises(InvalidClip, match="'Ann' cannot be aligned"):
        align(clip_of(np.zeros((3, 134, 3))), {"Ann": USUAL})


def picture_of(points: np.ndarray) -> np.ndarray:
    return points[:18, :2] * 400 + 300


def test_a_picture_of_a_standing_person_gives_its_proportions():
    points = standing()
    fitted = fit(picture_of(points), np.ones(18, bool))
    for name, length in relative(measure(points)).items():
        assert relative(fitted)[name] == pytest.approx(length, rel=0.08), name


def test_foreshortened_and_missing_limbs_are_taken_as_usual():
    points = standing()
    for side in ("left", "right"):
        points[INDEX[f"{side}_wrist"]] = points[INDEX[f"{side}_elbow"]] + (0.01, 0, -0.24)  # towards the camera
    present = np.ones(18, bool)
    present[[INDEX["left_ankle"], INDEX["right_ankle"], INDEX["neck"]]] = False
    fitted = fit(picture_of(points), present)
    assert fitted.forearm == USUAL.forearm
    assert fitted.shin == USUAL.shin
    assert fitted.thigh == pytest.approx(USUAL.thigh, rel=0.05)


def test_of_two_sides_the_less_foreshortened_one_is_taken():
    points = standing()
    points[INDEX["left_wrist"]] = points[INDEX["left_elbow"]] + (0.01, 0, -0.24)
    assert fit(picture_of(points), np.ones(18, bool)).forearm != USUAL.forearm


def test_too_little_of_a_person_is_refused():
    present = np.zeros(18, bool)
    present[[INDEX["nose"], INDEX["left_ear"], INDEX["right_ear"], INDEX["left_shoulder"]]] = True
    with pytest.raises(InvalidRequest, match="too little of the person"):
        fit(picture_of(standing()), present)
