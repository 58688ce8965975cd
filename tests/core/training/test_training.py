import numpy as np
import pytest
import torch
from understudy.core.diffusion.autoencoder import Autoencoder, AutoencoderConfig
from understudy.core.diffusion.unet import Denoiser, DenoiserConfig, ReferenceEncoderConfig
from understudy.core.training.dataset import Dataset
from understudy.core.training.loop import Budget, train
from understudy.core.training.stages import denoising_loss


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    data = Dataset(tmp_path_factory.mktemp("dataset"), 2, 64, 96, 8)
    data.build(Autoencoder(AutoencoderConfig(fine=16, coarse=16)))
    return data


@pytest.fixture
def tiny() -> Denoiser:
    config = DenoiserConfig(channels=(32, 64, 96), embedding=32, reference=ReferenceEncoderConfig(channels=(16, 32, 48)))
    return Denoiser(config)


def test_a_dataset_is_found_again_complete(data):
    again = Dataset(data.folder, 2, 64, 96, 8)
    assert again.length == 2 and np.array_equal(again.arrays["latents"], data.arrays["latents"])


def test_matches_name_the_same_spot_of_the_body_in_the_reference(data):
    """A picture matched with itself: each spot's match is the token it stands in, or one beside it."""
    rows = np.array([0]), np.array([0])
    matches = data._matches(rows, np.array([0]), np.array([0]))[0].numpy()
    y, x = np.nonzero(matches >= 0)
    there = np.stack(np.divmod(matches[y, x], 64 // 16), -1)
    assert len(y) > 10 and np.abs(there - np.stack((y, x), -1) // 2).max() <= 1


@pytest.mark.parametrize("frames", [None, 4])
def test_every_parameter_that_should_learn_gets_a_gradient(data, tiny, frames):
    rng = np.random.default_rng(0)
    for parameter in tiny.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    batch = data.clips(rng, 2, frames) if frames else data.singles(rng, 2, 3)
    denoising_loss(tiny, batch, np.random.default_rng(3), frames).backward()
    temporal = set(tiny.temporal_parameters())
    for name, parameter in tiny.named_parameters():
        learns = frames is not None or parameter not in temporal
        assert (parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)) == learns, name


def test_training_goes_on_where_it_stopped_and_the_loss_falls(tmp_path):
    torch.manual_seed(0)
    truth = torch.randn(8, 4)
    model = torch.nn.Linear(8, 4, bias=False)
    groups = [{"params": list(model.parameters()), "lr": 0.02}]

    def loss_of(_: int) -> torch.Tensor:
        x = torch.randn(32, 8)
        return ((model(x) - x @ truth) ** 2).mean()

    first = loss_of(0).item()
    train("toy", model, groups, loss_of, Budget(0.02), tmp_path)
    state = torch.load(tmp_path / "toy.pt", weights_only=True)
    train("toy", model, groups, loss_of, Budget(0.04), tmp_path)
    later = torch.load(tmp_path / "toy.pt", weights_only=True)
    assert later["step"] > state["step"] > 0 and later["spent"] >= 0.04 * 60 > state["spent"] - 1
    assert loss_of(0).item() < first / 2
