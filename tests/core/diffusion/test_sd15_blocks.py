import pytest
import torch
from understudy.core.diffusion.sd15.blocks import GroupNorm


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("size", [(5, 4), (1, 1), (40, 30)])
@pytest.mark.parametrize("channels", [16, 64])
def test_a_norm_is_that_of_its_definition_in_either_layout(channels, size, frames, layout):
    torch.manual_seed(0)
    norm = GroupNorm(8, channels, 1e-5)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(6, channels, *size) + 5  # of a mean that a careless sum of squares would lose digits to
    windows = x.double().view(6 // frames, frames, 8, channels // 8, *size)
    centred = windows - windows.mean((1, 3, 4, 5), keepdim=True)
    normed = centred / (centred.square().mean((1, 3, 4, 5), keepdim=True) + norm.eps).sqrt()
    wanted = normed.view(6, channels, *size) * norm.weight[:, None, None] + norm.bias[:, None, None]
    found = norm(x.contiguous(memory_format=layout), frames)
    assert found.is_contiguous(memory_format=layout)
    torch.testing.assert_close(found.double(), wanted, atol=1e-4, rtol=1e-4)
