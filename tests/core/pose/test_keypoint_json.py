import json

import numpy as np
import pytest
from understudy.core.errors import InvalidClip
from understudy.core.pose import coco_wholebody, keypoint_json, openpose_json
from understudy.core.pose.skeleton import INDEX, KEYPOINT_COUNT

WITHOUT_NECK = [number for number in range(KEYPOINT_COUNT) if number != INDEX["neck"]]  # which COCO-WholeBody has not


def test_the_content_tells_what_the_file_is(two_people, tmp_path):
    openpose_json.write(two_people, tmp_path / "folder")
    openpose_json.write_list(two_people, tmp_path / "list.json")
    coco_wholebody.write(two_people, tmp_path / "coco.json")
    expected = openpose_json.read(tmp_path / "folder")
    for name in ("folder", "list.json", "coco.json"):
        read = keypoint_json.read(tmp_path / name)
        present = expected.present[..., WITHOUT_NECK]
        np.testing.assert_array_equal(read.present[..., WITHOUT_NECK], present)
        pixels = (sequence.pixels[..., WITHOUT_NECK, :][present] for sequence in (read, expected))
        np.testing.assert_allclose(*pixels, atol=1e-3)


def test_a_file_that_does_not_tell_its_canvas_has_the_one_given(two_people, tmp_path):
    (path, *_) = openpose_json.write(two_people, tmp_path)
    content = json.loads(path.read_text())
    del content["canvas_width"]
    path.write_text(json.dumps(content))
    read = keypoint_json.read(path, (640, 480))
    assert (read.width, read.height) == (640, 480)


@pytest.mark.parametrize("content", ["", "[1, 2", "{}", '{"annotations": 3}', "3"])
def test_what_is_neither_is_refused(tmp_path, content):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(InvalidClip, match=r"bad\.json"):
        keypoint_json.read(tmp_path / "bad.json")
