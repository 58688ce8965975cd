import pytest
import torch
from understudy.core.diffusion.autoencoder import Autoencoder, AutoencoderConfig
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
