import math

import pytest
import torch
from understudy.core.diffusion.temporal import SinusoidalPositions, TemporalModule
from understudy.core.errors import InvalidRequest


def awake(module: torch.nn.Module) -> torch.nn.Module:
    """The module with every parameter random, also those that start at zero."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return module.eval()


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


def test_sinusoidal_positions_are_the_transformers():
    pe = SinusoidalPositions(5, 8).pe[0]
    assert torch.equal(pe[0], torch.tensor([0.0, 1.0] * 4))
    angle = 3 / 10_000 ** (2 / 8)
    assert pe[3, 2:4].tolist() == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-6)


def test_a_window_beyond_the_positions_is_refused():
    with pytest.raises(InvalidRequest, match="window of 6 frames is longer than the 5"):
        SinusoidalPositions(5, 8)(torch.zeros(1, 6, 8))
