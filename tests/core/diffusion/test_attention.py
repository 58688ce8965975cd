import pytest
import torch
from understudy.core.diffusion.attention import BACKENDS, PictureAttention, ReferenceAttention, attend, set_attention_backend
from understudy.core.errors import InvalidRequest
from understudy.core.protocol import SETTING_CHOICES


def awake(module: torch.nn.Module) -> torch.nn.Module:
    """The module with every parameter random, also those that start at zero."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return module.eval()


@pytest.fixture
def chosen_backend():
    yield set_attention_backend
    set_attention_backend("auto")


def test_every_kernel_can_be_asked_for():
    assert SETTING_CHOICES["attention"] == BACKENDS


def test_reference_attention_reads_the_reference_of_its_own_row():
    layer = awake(PictureAttention(32, 24, heads=2))
    x, tokens = torch.randn(4, 32, 6, 5), torch.randn(2, 10, 24)
    together = layer(x, layer.project_reference(tokens))
    for row in range(4):
        alone = layer(x[row : row + 1], layer.project_reference(tokens[row // 2 : row // 2 + 1]))
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("tokens", "channels"), [(20, 16), (300, 16), (300, 5)])
def test_every_kernel_gives_the_same(tokens, channels, chosen_backend):
    query, key, value = torch.randn(3, 2, 4, tokens, channels).unbind(0)
    results = []
    for name in ("auto", "matmul", "sdpa"):
        chosen_backend(name)
        results.append(attend(query, key, value))
    torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(results[0], results[2], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["fastest", "xformers"])
def test_a_kernel_that_is_not_there_is_refused(name, chosen_backend, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InvalidRequest, match=name):
        chosen_backend(name)


def test_without_a_norm_of_its_own_the_reference_shares_the_targets_projections():
    layer = awake(ReferenceAttention(32, heads=2))
    x, bank = torch.randn(3, 6, 32), torch.randn(1, 10, 32)
    out = layer(x, layer.project_reference(bank))
    both = torch.cat((x, bank.expand(3, -1, -1)), 1)
    by_hand = torch.nn.functional.scaled_dot_product_attention(
        *(part.unflatten(-1, (2, 16)).transpose(1, 2) for part in (layer.to_q(x), layer.to_k(both), layer.to_v(both)))
    )
    torch.testing.assert_close(out, layer.to_out[0](by_hand.transpose(1, 2).flatten(2)), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(out, layer(x))


def test_reference_only_attention_leaves_the_picture_alone_without_a_reference():
    layer = awake(PictureAttention(32, 24, heads=2, joint=False))
    x = torch.randn(1, 32, 4, 4)
    assert layer(x, None) is x
