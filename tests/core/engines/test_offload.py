"""On PyTorch's "meta" device, which computes shapes alone: to use weights that are not there is an error on it too."""

import numpy as np
import published_weights
import pytest
import torch
from torch import nn
from understudy.core.engines import catalog
from understudy.core.engines.interface import Runtime
from understudy.core.engines.offload import offload

META = torch.device("meta")


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.scale = nn.Linear(3, 4), nn.LayerNorm(4), nn.Parameter(torch.ones(4))
        self.register_buffer("shift", torch.ones(4))

    def forward(self, x):
        return self.norm(self.first(x)) * self.scale + self.shift


def test_weights_are_on_the_device_while_their_layer_computes_and_nowhere_else():
    network, seen = Network(), []
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.norm.register_forward_pre_hook(lambda norm, _: seen.append((norm.weight.device, network.first.weight.device)))
    offload(network, META)
    network.norm.register_forward_pre_hook(lambda norm, _: seen.append((norm.weight.device, network.first.weight.device)))
    for x in (torch.ones(2, 3), torch.ones(2, 3, device=META)):
        assert network(x).device == META
    assert [norm.type for norm, _ in seen] == ["cpu", "meta"] * 2 and {first.type for _, first in seen} == {"cpu"}
    after = network.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)
    assert len(list(network.parameters())) == 5  # not buffers


def test_a_layer_that_is_brought_computes_the_same():
    torch.manual_seed(0)
    network = Network()
    x = torch.randn(2, 3)
    expected = network(x)
    offload(network, torch.device("cpu"))
    torch.testing.assert_close(network(x), expected, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("name", "precision"), [*((name, "float32") for name in published_weights.MAKERS), ("animate-anyone", "float8")]
)
def test_every_engine_computes_on_the_device_with_its_weights_elsewhere(name, precision, published):
    engine = catalog.create(name)
    engine.load("meta", published(name), Runtime(precision=precision, offload=True))
    assert {weight.device.type for weight in engine.denoiser.parameters()} == {"cpu"}
    picture = np.zeros((96, 64, 3), np.uint8)
    with torch.inference_mode():
        for _ in range(2):  # what one job leaves behind must not keep the next from its weights
            take = engine.prepare(picture, lambda frames: [picture[None].repeat(len(frames), 0)] * len(engine.controls))
            latents = torch.zeros(4, 4, 12, 8, dtype=engine.dtype, device=META)
            for guided in (True, False):
                take.begin_step(500.0)
                output, without = take.predict(latents, [0, 1, 2, 3], 4, guided)
                assert output.device == META and output.shape == latents.shape and (without is not None) == guided
            assert engine.decode(latents).device == META
    assert {weight.device.type for weight in engine.denoiser.parameters()} == {"cpu"}
