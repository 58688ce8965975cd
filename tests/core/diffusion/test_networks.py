import pytest
import torch
from understudy.core.diffusion.autoencoder import Autoencoder, AutoencoderConfig
from understudy.core.diffusion.body_map import MAP_CHANNELS
from understudy.core.diffusion.matting import Matting, lift
from understudy.core.diffusion.puppet import DETAIL_CHANNELS
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
    x, warped, detail = torch.randn(4, 8, 16, 12), torch.randn(4, 8, 16, 12), torch.rand(4, DETAIL_CHANNELS, 128, 96)
    body = torch.rand(2, MAP_CHANNELS, 16, 12)
    latents = torch.randn(2, 8, 16, 12)
    reference, seen = denoiser.encode_reference(latents, body)
    assert seen.shape == body.shape
    pose, t = denoiser.guider(detail), torch.full((4,), 0.5)
    out = denoiser(x, t, pose, warped, reference)
    assert out.shape == x.shape
    for variation in (
        denoiser(x, t, pose.flip(0), warped, reference),
        denoiser(x, t, pose, warped.flip(0), reference),
        denoiser(x, t, pose, warped, denoiser.encode_reference(torch.randn(2, 8, 16, 12), body)[0]),
        denoiser(x, t, pose, warped, denoiser.encode_reference(latents, body.flip(0))[0]),
        denoiser(x, t, pose, warped, None),
        denoiser(x, t * 0.5, pose, warped, reference),
        denoiser(x, t, pose, warped, reference, frames=2),
    ):
        assert (variation - out).abs().max() > 1e-5


def test_any_size_that_is_a_multiple_of_32_pixels_passes(denoiser):
    reference, _ = denoiser.encode_reference(torch.randn(1, 8, 4, 20), torch.rand(1, MAP_CHANNELS, 4, 20))
    pose = denoiser.guider(torch.rand(2, DETAIL_CHANNELS, 32, 160))
    x = torch.randn(2, 8, 4, 20)
    assert denoiser(x, torch.ones(2), pose, x, reference, frames=2).shape == x.shape


@pytest.fixture(scope="module")
def autoencoder() -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(AutoencoderConfig(half=8, fine=16, coarse=16)).eval()


def test_latents_are_an_eighth_of_the_picture_and_begin_with_its_colours(autoencoder):
    figures = torch.full((2, 3, 64, 32), 0.25)
    latents = autoencoder.encode(figures)
    assert latents.shape == (2, 8, 8, 4)
    torch.testing.assert_close(latents[:, :3], torch.full((2, 3, 8, 4), 0.25))
    drawn, matte = autoencoder.decode(latents, torch.rand(2, DETAIL_CHANNELS, 64, 32))
    assert drawn.shape == (2, 3, 64, 32) and matte.shape == (2, 1, 64, 32)


def test_an_untrained_decoder_copies_what_the_reference_shows_and_draws_the_rest_from_the_latents(autoencoder):
    detail = torch.zeros(1, DETAIL_CHANNELS, 64, 32)
    detail[:, 0], detail[:, 3] = 1, 1  # red, all of it laid
    detail[:, 4, :32] = 1  # the upper half is shown by the reference
    drawn, matte = autoencoder.decode(autoencoder.encode(torch.zeros(1, 3, 64, 32)), detail)
    assert matte.min() > 0.9
    assert drawn[0, 0, :30].mean() > 0.9 and drawn[0, 0, 34:].abs().mean() < 0.15


def test_a_matte_is_as_large_as_its_picture_and_knows_the_ground_from_the_body():
    torch.manual_seed(0)
    model = awake(Matting(8, 8))
    picture, body = torch.rand(1, 3, 64, 32), torch.zeros(1, 1, 64, 32)
    assert model(picture, body).shape == (1, 1, 64, 32)
    assert (model(picture, body + 1) - model(picture, body)).abs().max() > 1e-3


def test_a_figure_is_lifted_off_without_the_colour_that_was_behind_it():
    matte = torch.zeros(1, 1, 16, 16)
    matte[..., 4:12, 4:12] = 1
    matte[..., 4:12, 3] = 0.5
    picture = torch.where(matte > 0, torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), torch.tensor([0, 0, 1.0]).view(1, 3, 1, 1))
    picture[..., 4:12, 3] = torch.tensor([0.5, 0, 0.5]).view(3, 1)
    lifted = lift(picture, matte)
    torch.testing.assert_close(lifted[0, :, 8, 3], torch.tensor([0.75, 0.25, 0.25]), atol=0.02, rtol=0)
    torch.testing.assert_close(lifted[0, :, 0, 0], torch.full((3,), 0.5))
