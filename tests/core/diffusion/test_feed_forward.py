import torch
from diffusers.models.attention import FeedForward
from understudy.core.diffusion.feed_forward import GatedFeedForward


def test_tokens_in_pieces_are_what_they_are_at_once():
    torch.manual_seed(0)
    layer, tokens = GatedFeedForward(16), torch.randn(3, 1000, 16)
    torch.testing.assert_close(layer(tokens), FeedForward.forward(layer, tokens), atol=1e-5, rtol=1e-4)
