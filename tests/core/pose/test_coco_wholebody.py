import json

import numpy as np
import pytest
from understudy.core.errors import InvalidClip
from understudy.core.pose import coco_wholebody
from understudy.core.pose.pixel_sequence import PixelSequence
from understudy.core.pose.skeleton import INDEX


def test_what_is_written_reads_back(two_people, tmp_path):
    clip = two_people
    coco_wholebody.write(clip, tmp_path / "clip.json")
    read = coco_wholebody.read(tmp_path / "clip.json")
    expected = PixelSequence.of_clip(clip)
    present, neck = expected.present.copy(), INDEX["neck"]
    present[..., neck] = present[..., [INDEX["left_shoulder"], INDEX["right_shoulder"]]].all(axis=-1)
    np.testing.assert_array_equal(read.present, present)
    others = present & (np.arange(134) != neck)
    assert 0 < others.sum() < others.size
    np.testing.assert_allclose(read.pixels[others], expected.pixels[others], atol=1e-3)
    shoulders = read.pixels[..., [INDEX["left_shoulder"], INDEX["right_shoulder"]], :].mean(axis=-2)
    np.testing.assert_allclose(read.pixels[..., neck, :][present[..., neck]], shoulders[present[..., neck]], atol=1e-3)


def test_the_layout_is_cocos(two_people, tmp_path):
    coco_wholebody.write(two_people, tmp_path / "clip.json")
    content = json.loads((tmp_path / "clip.json").read_text())
    assert [picture["file_name"] for picture in content["images"]] == [f"frame_00000{number}.png" for number in (1, 2, 3)]
    annotation = content["annotations"][0]
    lengths = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
    assert {name: len(annotation[name]) // 3 for name in lengths} == lengths
    assert set(annotation["keypoints"][2::3]) <= {0, 2}
    assert annotation["num_keypoints"] == sum(value > 0 for value in annotation["keypoints"][2::3])
    names = content["categories"][0]["keypoints"]
    pixels = PixelSequence.of_clip(two_people)
    row = names.index("left_knee")
    assert pixels.present[0, 0, INDEX["left_knee"]]
    np.testing.assert_allclose(
        annotation["keypoints"][3 * row : 3 * row + 2], pixels.pixels[0, 0, INDEX["left_knee"]], atol=1e-3
    )


def test_a_detectors_133_points_in_one_array_are_read(tmp_path):
    points = np.c_[np.arange(133), np.arange(133), np.ones(133)]
    annotation = {"image_id": 7, "keypoints": points.ravel().tolist(), "score": 0.9}
    content = {"images": [{"id": 7, "width": 200, "height": 300}], "annotations": [annotation, annotation]}
    (tmp_path / "results.json").write_text(json.dumps(content))
    read = coco_wholebody.read(tmp_path / "results.json")
    assert (read.width, read.height) == (200, 300)
    assert read.present.shape == (1, 2, 134) and read.present.all()
    expected = {"nose": 0, "left_eye": 1, "right_ankle": 16, "left_big_toe": 17, "right_heel": 22, "face_0": 23, "face_67": 90,
                "left_hand_wrist": 91, "right_hand_little_4": 132, "neck": 5.5}  # fmt: skip
    assert {name: read.pixels[0, 0, INDEX[name], 0] for name in expected} == expected


def test_people_keep_their_place_when_one_is_away(two_people, tmp_path):
    visible = two_people.visible.copy()
    visible[1, 0] = False
    path = tmp_path / "clip.json"
    coco_wholebody.write(type(two_people)(**{**vars(two_people), "visible": visible}), path)
    read = coco_wholebody.read(path)
    assert not read.present[1, 0].any()
    assert read.present[1, 1].any()


PICTURE = {"id": 1, "width": 9, "height": 9}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "not readable"),
        ({"images": [], "annotations": []}, "holds no pictures"),
        ({"images": [PICTURE], "annotations": [{"image_id": 1, "keypoints": [1, 2, 3]}]}, "has 1 points"),
        ({"images": [PICTURE], "annotations": [{"image_id": 2, "keypoints": []}]}, "not readable"),
        ({"images": [PICTURE, {**PICTURE, "id": 2, "width": 8}], "annotations": []}, "differ"),
    ],
)
def test_files_that_are_not_coco_are_named_with_the_reason(content, reason, tmp_path):
    (tmp_path / "bad.json").write_text(json.dumps(content))
    with pytest.raises(InvalidClip, match=rf"bad\.json.*{reason}"):
        coco_wholebody.read(tmp_path / "bad.json")
    with pytest.raises(InvalidClip, match="cannot be read"):
        coco_wholebody.read(tmp_path / "gone.json")
