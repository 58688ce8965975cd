import json

import numpy as np
import pytest
from understudy.core.errors import InvalidClip
from understudy.core.pose import openpose_json
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import INDEX


@pytest.fixture
def clip() -> PoseClip:
    random = np.random.default_rng(7)
    frames, people = 3, 2
    points = random.uniform(-0.6, 0.6, (frames, people, 134, 3)) + np.array([0, 0, 3])
    visible = random.random((frames, people, 134)) < 0.8
    points[1, 0, INDEX["nose"]] = [5, 0, 3]  # far off the canvas
    points[1, 0, INDEX["neck"]] = [0, 0, -3]  # behind the camera
    visible[1, 0, [INDEX["nose"], INDEX["neck"]]] = True
    return PoseClip(
        points_cam=points.astype(np.float32),
        visible=visible,
        intrinsics=np.tile(np.array([[400, 0, 96], [0, 400, 128], [0, 0, 1]], np.float32), (frames, 1, 1)),
        orthographic=np.zeros(frames, bool),
        frames=np.arange(-1, 2, dtype=np.int32),
        fps=24.0,
        width=192,
        height=256,
        people=("Ann", "Bob"),
    )


def test_what_is_written_reads_back_to_the_same_pixels(clip, tmp_path):
    openpose_json.write(clip, tmp_path / "new")
    sequence = openpose_json.read(tmp_path / "new")
    pixels = clip.pixels()
    expected = clip.drawable() & ((pixels >= 0) & (pixels < [192, 256])).all(axis=-1)
    assert (sequence.width, sequence.height) == (192, 256)
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(sequence.present, expected)
    np.testing.assert_allclose(sequence.pixels[expected], pixels[expected], atol=1e-3)


def test_confidence_is_exactly_one_or_zero_and_the_rest_is_what_readers_need(clip, tmp_path):
    paths = openpose_json.write(clip, tmp_path)
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
    "text", ["", "[]", "{}", '{"canvas_width": 1, "canvas_height": 1, "people": [{"pose_keypoints_2d": [1, 2]}]}']
)
def test_files_that_are_not_openpose_are_named(text, tmp_path):
    (tmp_path / "frame_keypoints.json").write_text(text)
    with pytest.raises(InvalidClip, match=r"frame_keypoints\.json"):
        openpose_json.read(tmp_path)


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(InvalidClip, match="holds no file"):
        openpose_json.read(tmp_path)
