import io

import numpy as np
import pytest
from PIL import Image
from understudy.core.errors import InvalidReference
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.reference import pose_in, with_pose


def png(colour: tuple[int, int, int] = (10, 20, 30)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(stream, "PNG")
    return stream.getvalue()


def pose(frames: int = 1) -> PoseClip:
    points = np.random.default_rng(0).normal(size=(frames, 1, 134, 3)).astype(np.float32)
    return PoseClip(
        points, np.ones((frames, 1, 134), bool), np.tile(np.eye(3, dtype=np.float32), (frames, 1, 1)), np.zeros(frames, bool),
        np.arange(frames, dtype=np.int32), 24.0, 8, 6, ("Ann",),
    )  # fmt: skip


def test_a_picture_gives_back_the_pose_it_was_given_and_looks_the_same():
    picture = with_pose(png(), pose())
    assert pose_in(picture).digest() == pose().digest()
    with Image.open(io.BytesIO(picture)) as opened:
        assert opened.size == (8, 6) and opened.getpixel((3, 3)) == (10, 20, 30)


def test_a_new_pose_takes_the_place_of_the_old_one():
    again = with_pose(with_pose(png(), pose()), pose())
    assert again == with_pose(png(), pose())


def test_other_pictures_have_no_pose():
    assert pose_in(png()) is None and pose_in(b"\xff\xd8\xff...") is None and pose_in(png()[:30]) is None


def test_a_program_that_saves_the_picture_anew_drops_the_pose():
    stream = io.BytesIO()
    with Image.open(io.BytesIO(with_pose(png(), pose()))) as opened:
        opened.save(stream, "PNG")
    assert pose_in(stream.getvalue()) is None


def test_a_damaged_pose_or_one_of_a_whole_clip_is_refused():
    picture = bytearray(with_pose(png(), pose()))
    picture[-40] ^= 255
    with pytest.raises(InvalidReference, match="damaged"):
        pose_in(bytes(picture))
    with pytest.raises(InvalidReference, match="one person in one frame"):
        pose_in(with_pose(png(), pose(frames=2)))
    with pytest.raises(InvalidReference, match="PNG"):
        with_pose(b"no picture", pose())
