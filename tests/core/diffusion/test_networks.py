import pytest
import torch
from understudy.core.diffusion.attention import ReferenceAttention, attend
from understudy.core.diffusion.autoencoder import Autoencoder, AutoencoderConfig
from understudy.core.diffusion.temporal import TemporalModule
from understudy.core.diffusion.unet import Denoiser, DenoiserConfig, ReferenceEncoderConfig


def awake(module: torch.nn.Module) -> torch.nn.Module:
    """The module with every parameter random, also those that start at zero."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return module.eval()


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    config = DenoiserConfig(channels=(32, 64, 96), embedding=32, reference=ReferenceEncoderConfig(channels=(16, 32, 48)))
    return awake(Denoiser(config))


def test_the_small_kernel_agrees_with_the_fused_one():
    query, key, value = torch.randn(3, 2, 4, 300, 16).unbind(0)
    fused = attend(query, key, value)
    torch.testing.assert_close(attend(query[:, :, :100], key, value), fused[:, :, :100], atol=1e-5, rtol=1e-4)


def test_reference_attention_reads_the_reference_of_its_own_row():
    layer = awake(ReferenceAttention(32, 24, heads=2))
    x, tokens = torch.randn(4, 32, 6, 5), torch.randn(2, 10, 24)
    together = layer(x, layer.project_reference(tokens))
    for row in range(4):
        alone = layer(x[row : row + 1], layer.project_reference(tokens[row // 2 : row // 2 + 1]))
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-4)


def test_reference_only_attention_leaves_the_picture_alone_without_a_reference():
    layer = awake(ReferenceAttention(32, 24, heads=2, joint=False))
    x = torch.randn(1, 32, 4, 4)
    assert layer(x, None) is x


def test_a_new_temporal_module_changes_nothing():
    x = torch.randn(6, 32, 4, 3)
    torch.testing.assert_close(TemporalModule(32, 2)(x, frames=3), x)


def test_temporal_attention_sees_its_own_clip_and_pixel_only():
    module = awake(TemporalModule(32, 2))
    x = torch.randn(6, 32, 4, 3)
    changed = x.clone()
    changed[4, :, 1, 2] = torch.randn(32)  # second clip, one pixel
    difference = (module(changed, frames=3) - module(x, frames=3)).abs().amax(1)
    assert difference[:3].max() == 0 and (difference[3:, 1, 2] > 0).all()
    difference[:, 1, 2] = 0
    assert difference.max() == 0


def test_temporal_positions_are_relative():
    module = awake(TemporalModule(32, 2))
    x = torch.randn(1, 32, 1, 1).expand(5, -1, -1, -1)
    out = module(x, frames=5)
    torch.testing.assert_close(out, out[:1].expand_as(out))  # equal frames stay equal wherever they stand


def test_the_denoiser_follows_pose_reference_and_time(denoiser):
    x, skeletons = torch.randn(4, 8, 16, 12), torch.rand(4, 3, 64, 48)
    reference, skeleton = denoiser.encode_reference(torch.randn(2, 8, 16, 12))
    assert skeleton.shape == (2, 3, 16, 12)
    pose, t = denoiser.guider(skeletons), torch.full((4,), 0.5)
    out = denoiser(x, t, pose, reference)
    assert out.shape == x.shape
    other, _ = denoiser.encode_reference(torch.randn(2, 8, 16, 12))
    for variation in (
        denoiser(x, t, pose.flip(0), reference),
        denoiser(x, t, pose, other),
        denoiser(x, t, pose, None),
        denoiser(x, t * 0.5, pose, reference),
        denoiser(x, t, pose, reference, frames=2),
    ):
        assert (variation - out).abs().max() > 1e-3


def test_any_size_that_is_a_multiple_of_32_pixels_passes(denoiser):
    reference, _ = denoiser.encode_reference(torch.randn(1, 8, 4, 20))
    pose = denoiser.guider(torch.rand(2, 3, 16, 80))
    assert denoiser(torch.randn(2, 8, 4, 20), torch.ones(2), pose, reference, frames=2).shape == (2, 8, 4, 20)


def test_latents_are_an_eighth_of_the_picture():
    model = Autoencoder(AutoencoderConfig(fine=16, coarse=16))
    latents = model.encode(torch.randn(2, 3, 64, 32))
    assert latents.shape == (2, 8, 8, 4) and model.decode(latents).shape == (2, 3, 64, 32)
