import pytest
import torch
from torch import nn
from understudy.core.diffusion import winograd
from understudy.core.diffusion.winograd import Convolution, adopt, convolve


def made(channels: int, filters: int, *size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(size[0], channels, *size[1:]).contiguous(memory_format=torch.channels_last)
    return x, torch.randn(filters, channels, 3, 3), torch.randn(filters)


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 8, 12), (3, 7, 5), (1, 33, 18)])
def test_it_is_the_plain_convolution_at_any_size(size):
    x, weight, bias = made(5, 7, *size)
    for offset in (bias, None):
        expected = nn.functional.conv2d(x, weight, offset, padding=1)
        torch.testing.assert_close(convolve(x, weight, offset), expected, atol=1e-4, rtol=0)


def test_what_is_done_piece_by_piece_is_the_same_as_at_once(monkeypatch):
    x, weight, bias = made(6, 11, 5, 17, 9)
    whole = convolve(x, weight, bias)
    monkeypatch.setattr(winograd, "_CACHED", 0)
    for tiles in (1, 4, 7, 40):  # of lines, pictures and filters a part
        monkeypatch.setattr(winograd, "_TILES", tiles)
        torch.testing.assert_close(convolve(x, weight, bias), whole, atol=1e-4, rtol=0)


def test_it_loses_hardly_more_of_float32_than_the_plain_sum():
    x, weight, _ = made(128, 32, 2, 16, 16)
    exact = nn.functional.conv2d(x.double(), weight.double(), padding=1)
    lost, usual = ((found - exact).norm() for found in (convolve(x, weight), nn.functional.conv2d(x, weight, padding=1)))
    assert lost < 3 * usual


def test_only_wide_plain_convolutions_are_replaced_and_they_keep_their_parameters():
    wide = nn.Conv2d(128, 128, 3, padding=1)
    others = [
        nn.Conv2d(128, 64, 3, padding=1), nn.Conv2d(128, 128, 1), nn.Conv2d(128, 128, 3, stride=2, padding=1),
        nn.Conv2d(128, 128, 3), nn.Conv2d(128, 128, 3, padding=1, groups=2), nn.Conv2d(128, 128, 3, padding=2, dilation=2),
        nn.Conv2d(128, 128, 3, padding=1, padding_mode="reflect"),
    ]  # fmt: skip
    network = nn.Sequential(nn.ModuleList([wide]), *others)
    names = list(network.state_dict())
    adopt(network)
    assert type(network[0][0]) is Convolution and network[0][0].weight is wide.weight and network[0][0].bias is wide.bias
    assert list(network[1:]) == others and list(network.state_dict()) == names
    assert not any(parameter.is_meta for parameter in network.parameters())


def test_a_map_of_few_tiles_is_convolved_as_ever(monkeypatch):
    layer = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1))
    adopt(layer)
    asked = []
    monkeypatch.setattr(winograd, "convolve", lambda x, *_: asked.append(x.shape) or x)
    with torch.inference_mode():
        layer(torch.zeros(1, 128, 8, 8))
        layer(torch.zeros(8, 128, 16, 16))
    assert asked == [(8, 128, 16, 16)]
