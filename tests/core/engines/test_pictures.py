import numpy as np
import pytest
import torch
from understudy.core.engines.pictures import canvas, fit, pad, to_pictures, to_tensor


def test_a_canvas_is_the_next_multiple_on_both_sides():
    assert canvas(1920, 1080, 64) == (1920, 1088)
    assert canvas(1, 8, 8) == (8, 8)


def test_padding_repeats_the_last_column_and_row_and_is_cropped_off_again():
    clip = np.random.default_rng(0).integers(0, 255, (2, 5, 7, 3), np.uint8)
    padded = pad(clip, 8, 6)
    assert padded.shape == (2, 6, 8, 3) and np.array_equal(padded[:, :5, :7], clip)
    assert np.array_equal(padded[:, :5, 7], clip[:, :, 6]) and np.array_equal(padded[:, 5, :7], clip[:, 4])
    assert np.array_equal(pad(clip[0], 8, 6), padded[0])


@pytest.mark.parametrize("shape", [(50, 200), (300, 40), (1, 1), (96, 64)])
def test_a_reference_of_any_aspect_keeps_all_of_itself_on_its_border_colour(shape):
    picture = np.full((*shape, 3), 200, np.uint8)
    picture[shape[0] // 5 : -shape[0] // 5, shape[1] // 5 : -shape[1] // 5] = 10
    fitted = fit(picture, 64, 96)
    assert fitted.shape == (96, 64, 3) and tuple(fitted[0, 0]) == (200, 200, 200)
    if shape != (1, 1):
        assert fitted[48, 32, 0] < 60


def test_pictures_survive_tensors_and_values_beyond_are_cut_off():
    clip = np.random.default_rng(0).integers(0, 255, (2, 5, 7, 3), np.uint8)
    assert np.array_equal(to_pictures(to_tensor(clip)), clip)
    assert to_pictures(torch.tensor([-1, 0.5, 2]).view(1, 3, 1, 1)).flatten().tolist() == [0, 128, 255]
