import torch
from understudy.core.diffusion.fill import fill


def test_fill_keeps_what_is_known_and_carries_it_on():
    picture = torch.zeros(1, 3, 33, 20)
    picture[:, 0, :, :10], picture[:, 1, :, 10:] = 1, 1
    known = torch.zeros(1, 1, 33, 20)
    known[:, :, :12] = 1
    filled = fill(picture, known)
    assert torch.equal(filled[:, :, :12], picture[:, :, :12])
    assert filled[0, 0, 12, 0] > 0.5 and filled[0, 1, 12, -1] > 0.5  # near, the neighbour's colour
    torch.testing.assert_close(filled.sum(1), torch.ones(1, 33, 20))  # far away, what there is of all
