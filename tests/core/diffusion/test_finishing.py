import torch
from understudy.core.diffusion.finishing import finish
from understudy.core.diffusion.puppet import DETAIL_CHANNELS

SIZE = 64


def ramp(width: float) -> torch.Tensor:
    """A matte that rises from the left to the right over `width` pixels around the middle, [1, 1, 64, 64]."""
    x = torch.arange(SIZE) + 0.5 - SIZE / 2
    return (x / width + 0.5).clamp(0, 1).expand(1, 1, SIZE, SIZE)


def nothing_laid() -> torch.Tensor:
    return torch.zeros(1, DETAIL_CHANNELS, SIZE, SIZE)


def test_an_unsure_outline_becomes_one_edge_without_fur_or_haze():
    torch.manual_seed(0)
    grey = torch.full((1, 3, SIZE, SIZE), 0.5)
    matte = (ramp(8) + 0.15 * torch.randn(1, 1, SIZE, SIZE) * (ramp(8) % 1 > 0)).clamp(0, 1)
    _, outline = finish(grey, matte, nothing_laid())
    assert ((outline > 0) & (outline < 1)).sum(-1).float().mean() < 2.5  # pixels of each line
    assert (outline[..., : SIZE // 2 - 8] == 0).all() and (outline[..., SIZE // 2 + 8 :] == 1).all()
    edges, drawn = (((part > 0.5).float().diff(dim=-1) != 0).sum(-1).float().mean() for part in (outline, matte))
    assert edges < 1.3 < drawn


def test_a_sure_outline_stays_where_it_is():
    grey = torch.full((1, 3, SIZE, SIZE), 0.5)
    figure, outline = finish(grey, ramp(1), nothing_laid())
    assert (outline - ramp(1)).abs().max() < 0.51 and (outline - ramp(1)).abs().mean() < 0.01
    torch.testing.assert_close(figure, 0.5 * outline.expand(-1, 3, -1, -1))


def test_detail_and_hue_are_the_references_where_it_is_shown_and_the_light_is_that_drawn():
    drawn = torch.full((1, 3, SIZE, SIZE), 0.4)
    detail = nothing_laid()
    stripes = (torch.arange(SIZE) % 4 < 2).float() * 0.2
    redder = torch.tensor([0.1, -0.05, -0.05]).view(3, 1, 1)
    detail[:, :3], detail[:, 3] = 0.6 + stripes + redder, 1  # brighter than what is drawn
    detail[..., : SIZE // 2, :][:, 4] = 1  # the upper half is shown
    figure, outline = finish(drawn, torch.ones(1, 1, SIZE, SIZE), detail)
    assert (outline == 1).all()
    upper, lower = figure.split(SIZE // 2, 2)
    torch.testing.assert_close(upper, (0.3 + stripes + redder).expand(1, 3, SIZE // 2, SIZE), atol=1e-4, rtol=0)
    torch.testing.assert_close(lower, drawn[:, :, SIZE // 2 :])


def test_a_colour_that_was_hardly_drawn_is_nearer_to_what_is_beside_it():
    colours = torch.zeros(1, 3, SIZE, SIZE)
    colours[:, 0] = torch.where(ramp(20)[:, 0] > 0.55, 0.8, 0.1)  # what an unsure matte leaves of a colour is anything
    figure, outline = finish(colours, ramp(20), nothing_laid())
    inside = outline[:, 0] == 1
    assert (colours[:, 0][inside] < 0.2).any() and figure[:, 0][inside].min() > 0.25
