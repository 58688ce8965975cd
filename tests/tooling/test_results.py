"""Film and contact sheet of a take."""

import cv2
import numpy as np
import pytest
from PIL import Image
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import KEYPOINT_COUNT

from tooling import results

WIDTH, HEIGHT, FRAMES = 96, 128, 13
CELL = 192, 256  # what a frame of that shape is on the sheet


@pytest.fixture
def clip():
    """One person before the camera, every keypoint at a place of its own."""
    spread = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 1, KEYPOINT_COUNT, 3)).astype(np.float32)
    return PoseClip(
        points_cam=np.repeat(spread + np.float32([0, 0, 4]), FRAMES, axis=0),
        visible=np.ones((FRAMES, 1, KEYPOINT_COUNT), bool),
        intrinsics=np.tile(np.float32([[100, 0, WIDTH / 2], [0, 100, HEIGHT / 2], [0, 0, 1]]), (FRAMES, 1, 1)),
        orthographic=np.zeros(FRAMES, bool),
        frames=np.arange(10, 10 + FRAMES, dtype=np.int32),
        fps=24.0, width=WIDTH, height=HEIGHT, people=("someone",),
    )  # fmt: skip


@pytest.fixture
def frames():
    return [np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8) for number in range(FRAMES)]


def test_the_sheet_has_a_column_for_every_sixth_frame(clip, frames, tmp_path):
    Image.new("RGB", (300, 300), (200, 0, 0)).save(tmp_path / "reference.png")
    sheet = results.contact_sheet(clip, tmp_path / "reference.png", frames)
    width, height = CELL
    assert sheet.width == results.LABEL_WIDTH + 3 * (width + results.GAP)
    middle_of_row = [results.HEADER_HEIGHT + row * (height + results.GAP) + height // 2 for row in range(3)]
    middle_of_column = [results.LABEL_WIDTH + column * (width + results.GAP) + width // 2 for column in range(3)]
    assert [sheet.getpixel((x, middle_of_row[2])) for x in middle_of_column] == [(0, 0, 0), (60, 60, 60), (120, 120, 120)]
    assert sheet.getpixel((middle_of_column[0], middle_of_row[0])) == (200, 0, 0)
    skeleton = np.asarray(sheet)[middle_of_row[1] - height // 2 : middle_of_row[1] + height // 2, results.LABEL_WIDTH :][
        :, :width
    ]
    assert 0 < (skeleton > 60).any(-1).mean() < 0.6


def test_the_film_has_all_frames_at_their_rate(frames, tmp_path):
    results.write_film(tmp_path / "take.mp4", frames, 24.0)
    film = cv2.VideoCapture(str(tmp_path / "take.mp4"))
    count = film.get(cv2.CAP_PROP_FRAME_COUNT)
    assert (count, film.get(cv2.CAP_PROP_FPS)) == (FRAMES, 24.0)
    assert (film.get(cv2.CAP_PROP_FRAME_WIDTH), film.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (WIDTH, HEIGHT)
    levels = [film.read()[1].mean() for _ in range(FRAMES)]
    film.release()
    np.testing.assert_allclose(levels, [10 * number for number in range(FRAMES)], atol=4)
