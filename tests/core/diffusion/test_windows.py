from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from understudy.core.diffusion.windows import fuse, windows


@given(st.integers(1, 300), st.integers(1, 32), st.data())
def test_windows_cover_every_frame_in_order_and_end_with_the_clip(frames, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    pieces = windows(frames, size, overlap)
    assert {i for piece in pieces for i in range(piece.start, piece.stop)} == set(range(frames))
    assert pieces[-1].stop == frames and all(piece.stop - piece.start == min(size, frames) for piece in pieces)
    for before, after in pairwise(pieces):
        assert before.start < after.start and before.stop - after.start >= overlap


def test_a_short_clip_is_one_window():
    assert windows(5, 16, 4) == [slice(0, 5)]


def test_fusing_what_was_cut_gives_it_back():
    clip = torch.randn(50, 3, 2)
    torch.testing.assert_close(fuse(50, 16, 4, lambda window: clip[window]), clip)


def test_the_middle_of_a_window_outweighs_its_edge():
    fused = fuse(12, 8, 4, lambda window: torch.full((8, 1), float(window.start)))
    assert fused[4].item() == pytest.approx((4 * 0 + 1 * 4) / 5)  # weights: fourth from the end 4, first 1
