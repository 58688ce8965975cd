import json

import numpy as np
import pytest
from understudy.core.errors import InvalidClip
from understudy.core.pose import openpose_json
from understudy.core.pose.skeleton import INDEX


def test_what_is_written_reads_back_to_the_same_pixels(two_people, tmp_path):
    clip = two_people
    openpose_json.write(clip, tmp_path / "new")
    sequence = openpose_json.read(tmp_path / "new")
    pixels = clip.pixels()
    expected = clip.drawable() & ((pixels >= 0) & (pixels < [192, 256])).all(axis=-1)
    assert (sequence.width, sequence.height) == (192, 256)
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(sequence.present, expected)
    np.testing.assert_allclose(sequence.pixels[expected], pixels[expected], atol=1e-3)


def test_confidence_is_exactly_one_or_zero_and_the_rest_is_what_readers_need(two_people, tmp_path):
    paths = openpose_json.write(two_people, tmp_path)
    assert [path.name for path in paths] == [f"frame_00000{number}_keypoints.json" for number in (1, 2, 3)]
    content = json.loads(paths[1].read_text())
    assert content["version"] == 1.3
    assert (content["canvas_width"], content["canvas_height"]) == (192, 256)
    lengths = {"pose": 18, "face": 68, "hand_left": 21, "hand_right": 21}
    for person in content["people"]:
        for name, count in lengths.items():
            triples = np.array(person[f"{name}_keypoints_2d"]).reshape(count, 3)
            assert set(triples[:, 2]) <= {0.0, 1.0}
            assert not triples[triples[:, 2] == 0].any()
    pose = np.array(content["people"][0]["pose_keypoints_2d"]).reshape(18, 3)
    assert not pose[[INDEX["nose"], INDEX["neck"]]].any(), "off the canvas and behind the camera"


def test_foreign_files_read_normalised_and_without_hands(tmp_path):
    pose = np.zeros((18, 3))
    pose[0] = [0.5, 0.25, 1]
    person = {"pose_keypoints_2d": pose.ravel().tolist(), "face_keypoints_2d": None, "hand_left_keypoints_2d": []}
    content = {"version": 1.3, "canvas_width": 200, "canvas_height": 400, "people": [person]}
    (tmp_path / "a_keypoints.json").write_text(json.dumps(content))
    sequence = openpose_json.read(tmp_path)
    assert np.flatnonzero(sequence.present[0, 0]).tolist() == [0]
    np.testing.assert_allclose(sequence.pixels[0, 0, 0], [100, 100])


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "[1]", '{"canvas_width": 1, "canvas_height": 1, "people": [{"pose_keypoints_2d": [1, 2]}]}',
        '{"canvas_width": 1, "canvas_height": 1, "people": [1]}',
        '{"canvas_width": 1, "canvas_height": Infinity, "people": []}',
    ],
)  # fmt: skip
def test_files_that_are_not_openpose_are_named(text, tmp_path):
    (tmp_path / "frame_keypoints.json").write_text(text)
    with pytest.raises(InvalidClip, match=r"frame_keypoints\.json"):
        openpose_json.read(tmp_path)


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(InvalidClip, match="holds no file"):
        openpose_json.read(tmp_path)


def test_a_list_of_frames_in_one_file_is_comfyuis_and_reads_back(two_people, tmp_path):
    openpose_json.write_list(two_people, tmp_path / "clip.json")
    openpose_json.write(two_people, tmp_path / "folder")
    assert isinstance(json.loads((tmp_path / "clip.json").read_text()), list)
    one, many = openpose_json.read(tmp_path / "clip.json"), openpose_json.read(tmp_path / "folder")
    np.testing.assert_array_equal(one.pixels, many.pixels)
    np.testing.assert_array_equal(one.present, many.present)


def test_openposes_own_body_of_25_is_read_with_its_feet(tmp_path):
    points = np.c_[10 + np.arange(25), np.zeros(25), np.full(25, 0.4)]
    path = tmp_path / "x_keypoints.json"
    path.write_text(json.dumps({"version": 1.3, "people": [{"pose_keypoints_2d": points.ravel().tolist()}]}))
    with pytest.raises(InvalidClip, match="KeyError"):
        openpose_json.read(path)
    read = openpose_json.read(path, size=(640, 480))
    assert (read.width, read.height) == (640, 480)
    expected = {
        "neck": 11,
        "left_wrist": 17,
        "right_hip": 19,
        "left_ankle": 24,
        "right_eye": 25,
        "left_big_toe": 29,
        "right_heel": 34,
    }
    assert {name: read.pixels[0, 0, INDEX[name], 0] for name in expected} == expected
    assert read.present[0, 0, :24].all() and not read.present[0, 0, 24:].any()


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    person = {"pose_keypoints_2d": [float("nan")] * 54}
    path = tmp_path / "x_keypoints.json"
    path.write_text(json.dumps({"canvas_width": 9, "canvas_height": 9, "people": [person]}))
    with pytest.raises(InvalidClip, match="ValueError"):
        openpose_json.read(path)
