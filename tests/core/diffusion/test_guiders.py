import pytest
import torch
from understudy.core.diffusion.sd15.guiders import GuidanceEncoder, PoseGuider, PyramidGuider


@pytest.fixture
def pictures():
    return torch.rand(3, 3, 64, 48, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


def test_a_guider_has_the_widths_of_its_checkpoint_and_else_the_published_ones(pictures):
    narrow = PoseGuider(32, (8, 8, 16, 24)).state_dict()
    assert PoseGuider.shaped_as(narrow, 32).state_dict().keys() == narrow.keys()
    (features,) = PoseGuider.shaped_as(narrow, 32)(pictures)
    assert features.shape == (3, 32, 8, 6)
    assert PoseGuider.shaped_as({}, 32).conv_out.in_channels == 256
    assert PyramidGuider.shaped_as(PyramidGuider(32, 88).state_dict(), 32).cross_attn4.proj_in.out_channels == 88
    with torch.device("meta"):
        assert PyramidGuider.shaped_as({}, 320).cross_attn4.proj_in.out_channels == 16 * 88


@pytest.mark.parametrize(("kind", "looks_around"), [(PoseGuider, False), (GuidanceEncoder, True)])
def test_a_guidance_encoder_looks_over_the_whole_picture(kind, looks_around, pictures):
    guider, other = kind(32), pictures.clone()
    other[..., :8, :8] = 1 - other[..., :8, :8]
    (features,), (changed,) = guider(pictures), guider(other)
    assert not torch.equal(features[..., 0, 0], changed[..., 0, 0])
    assert torch.equal(features[..., -1, -1], changed[..., -1, -1]) != looks_around


def test_a_pyramid_guider_speaks_to_each_level_and_reads_the_pictures_of_a_window_together(pictures):
    guider = PyramidGuider(32, 88).eval()
    features = guider(pictures)
    assert [tuple(level.shape) for level in features] == [
        (3, 32, 8, 6), (3, 32, 4, 3), (3, 64, 2, 2), (3, 128, 1, 1), (3, 128, 1, 1),
    ]  # fmt: skip
    for level, alone in zip(features, guider(pictures[:1]), strict=True):
        assert level.isfinite().all() and not torch.allclose(level[:1], alone, atol=1e-3)


def test_what_a_pyramid_guider_gathered_in_training_is_not_read(pictures):
    guider = PyramidGuider(32, 88).eval()
    before = guider(pictures)
    for name, buffer in guider.named_buffers():
        assert "running" in name or "num_batches" in name
        buffer += 3
    assert all(torch.equal(*levels) for levels in zip(before, guider(pictures), strict=True))
