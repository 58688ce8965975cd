import math

import pytest
import torch
from understudy.core.training import measures
from understudy.core.training.painting import Region
from understudy.core.training.shots import shoot


@pytest.fixture(scope="module")
def clip() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    shot = shoot(3, 64, 96, clip_frames=4)
    return shot.pictures[4:].float() / 255, (shot.mattes[4:] > 127).float(), shot.regions[4:]


def test_the_truth_is_perfect(clip):
    truth, inside, _ = clip
    row = measures.measure(truth.clone(), truth, inside, inside)
    assert row["psnr"] >= 99 and row["psnr_inside"] >= 99 and row["ssim"] == pytest.approx(1, abs=1e-4)
    assert row["sharpness"] == 1 and row["flicker"] == 1 and row["flicker_error"] == 0 and row["iou"] == 1


def test_a_known_error_has_a_known_psnr_where_it_is(clip):
    truth, inside, _ = clip
    half = truth * 0.5 + 0.25  # leaves room to add 0.1
    assert measures.psnr(half + 0.1 * inside, half, inside) == pytest.approx(20, abs=1e-3)
    assert measures.psnr(half + 0.1 * (1 - inside), half, inside) >= 99


def test_a_blur_is_less_sharp_and_less_similar(clip):
    truth, inside, _ = clip
    blurred = torch.nn.functional.avg_pool2d(truth, 5, 1, 2, count_include_pad=False)
    row = measures.measure(blurred, truth, inside)
    assert row["ssim"] < 0.98 and row["sharpness"] < 0.8


def test_flicker_counts_change_that_is_not_in_the_truth(clip):
    still = clip[0][:1].expand(4, -1, -1, -1)
    inside = torch.ones(4, 1, 96, 64)
    sign = torch.tensor([1.0, -1, 1, -1]).view(4, 1, 1, 1)
    moving = still * 0.8 + 0.1 + 0.05 * sign
    ratio, error = measures.flicker(moving + 0.05 * sign, moving, inside)
    assert ratio == pytest.approx(2, abs=1e-3) and error == pytest.approx(0.1, abs=1e-4)


def test_iou_of_shifted_squares():
    a, b = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    a[..., :4, :4], b[..., :4, 2:6] = 1, 1
    assert measures.silhouette_iou(a, b) == pytest.approx(8 / 24)
    assert measures.silhouette_iou(a * 0, b * 0) == 1


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
    ],
)
def test_lab_of_known_colours(rgb, expected):
    colour = measures.lab(torch.tensor(rgb, dtype=torch.float32).view(3, 1, 1)).flatten()
    assert colour.tolist() == pytest.approx(expected, abs=0.05)


def test_garments_drift_when_their_colour_does():
    regions = torch.full((16, 20, 20), int(Region.TOP), dtype=torch.uint8)
    reference = torch.full((3, 20, 20), 0.5)
    result = reference.expand(16, 3, 20, 20).clone()
    assert measures.garments(result, regions, reference, regions[0]) == {"delta_e": 0, "drift": 0}
    result[8:] = 0.6
    found = measures.garments(result, regions, reference, regions[0])
    step = measures.delta_e(*(measures.lab(torch.full((3, 1, 1), v)).flatten() for v in (0.5, 0.6))).item()
    assert found["delta_e"] == pytest.approx(step / 2, rel=1e-3) and found["drift"] == pytest.approx(step, rel=1e-3)
    assert math.isnan(measures.garments(result, regions * 0, reference, regions[0])["delta_e"])
