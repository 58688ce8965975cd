import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from understudy.core.diffusion.windows import fuse, plan, relay


@given(st.integers(1, 300), st.integers(1, 32), st.data())
def test_aligned_windows_cover_every_frame_in_order_and_end_with_the_clip(frames, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    rows = plan(frames, size, overlap)
    assert rows.shape[1] == min(size, frames) and rows[-1, -1] == frames - 1
    assert set(rows.flatten().tolist()) == set(range(frames))
    assert (rows.diff(dim=1) == 1).all()
    steps = rows[:, 0].diff()
    assert ((steps > 0) & (steps <= size - overlap)).all()


@given(st.integers(1, 300), st.integers(1, 32), st.data())
def test_windows_in_relay_go_on_from_each_other_and_end_with_the_clip(frames, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    first, *rest = windows = relay(frames, size, overlap)
    assert first.start == 0 and min(frames, overlap + 1) <= len(first) <= size and windows[-1].stop == frames
    assert all(len(window) == size for window in rest)
    assert all(before.stop - after.start == overlap for before, after in itertools.pairwise(windows))
    assert len(windows) == len(plan(frames, size, overlap))


@given(st.integers(1, 300), st.integers(2, 32), st.integers(1, 4), st.data())
def test_looping_windows_cover_every_frame(frames, size, stride, data):
    rows = plan(frames, size, data.draw(st.integers(0, size - 1)), "loop", stride)
    assert set(rows.flatten().tolist()) == set(range(frames))


def test_a_short_clip_is_one_window():
    for layout in ("aligned", "loop", "open"):
        assert plan(5, 16, 4, layout, 3).tolist() == [[0, 1, 2, 3, 4]]


def test_the_looping_layout_wraps_the_last_windows_around_as_published():
    """By hand from the description of AnimateAnyone's scheduler, for 10 frames, 6 a window, 2 shared."""
    assert plan(10, 6, 2, "loop").tolist() == [[0, 1, 2, 3, 4, 5], [4, 5, 6, 7, 8, 9], [8, 9, 0, 1, 2, 3]]
    assert plan(10, 6, 2, "open").tolist() == [[0, 1, 2, 3, 4, 5], [4, 5, 6, 7, 8, 9]]
    assert plan(9, 4, 1, "open").tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 0]]


def test_a_stride_adds_dilated_windows_as_many_as_the_clip_has_room_for():
    rows = plan(8, 4, 1, "loop", stride=5).tolist()  # log2(8 / 4) + 1 = 2 levels
    assert rows == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 0, 1], [0, 2, 4, 6], [7, 1, 3, 5]]


def test_known_counts_of_evaluations():
    assert plan(64, 24, 4, "loop").numel() == 96  # AnimateAnyone's defaults
    assert plan(160, 16, 4, "loop").numel() == 224  # MagicAnimate's
    assert plan(64, 24, 4).numel() == 72


@pytest.mark.parametrize("layout", ["aligned", "loop", "open"])
@pytest.mark.parametrize("fusion", ["triangle", "flat"])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_fusing_what_was_cut_gives_it_back(layout, fusion, batch):
    clip = torch.randn(50, 3, 2)
    torch.testing.assert_close(fuse(plan(50, 16, 4, layout), lambda rows: clip[rows], fusion, batch), clip)


def test_windows_come_in_batches_of_at_most_the_size_asked_for():
    seen = []
    fuse(plan(50, 16, 4), lambda rows: seen.append(len(rows)) or torch.zeros(*rows.shape, 1), batch=3)
    assert seen == [3, 1]


def starts(rows: torch.Tensor) -> torch.Tensor:
    return rows[:, :1, None].expand(*rows.shape, 1).float()


def test_flat_fusion_takes_the_mean_and_a_triangle_favours_the_middle():
    windows = plan(12, 8, 4)  # [0, 8) and [4, 12)
    assert fuse(windows, starts, "flat")[4].item() == 2
    assert fuse(windows, starts)[4].item() == pytest.approx((4 * 0 + 1 * 4) / 5)  # weights: fourth from the end 4, first 1
