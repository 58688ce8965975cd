from __future__ import annotations

import pytest
from understudy.server.eta import Eta


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_steps_and_frames_are_timed_each_by_their_own(clock):
    eta = Eta(frames=10, clock=clock)
    clock.now += 2
    assert eta.after_step(1, 4) == pytest.approx(3 * 2 + 2)
    clock.now += 1
    assert eta.after_step(2, 4) == pytest.approx(2 * 1 + 1)
    for step in (3, 4):
        clock.now += 1
        left = eta.after_step(step, 4)
    assert left == pytest.approx(1)
    clock.now += 0.5
    assert eta.after_frame(0) == pytest.approx(9 * 0.5)


def test_the_slow_first_step_does_not_count_once_there_is_another(clock):
    eta = Eta(frames=1, clock=clock)
    clock.now += 60
    eta.after_step(1, 11)
    clock.now += 1
    assert eta.after_step(2, 11) == pytest.approx(9 + 1)


def test_one_hiccup_changes_nothing(clock):
    eta = Eta(frames=1, clock=clock)
    for step, seconds in enumerate((1, 1, 1, 30, 1), 1):
        clock.now += seconds
        left = eta.after_step(step, 10)
    assert left == pytest.approx(5 + 1)


def test_nothing_is_left_after_the_last_frame(clock):
    eta = Eta(frames=2, clock=clock)
    clock.now += 1
    eta.after_frame(0)
    clock.now += 1
    assert eta.after_frame(1) == 0


def test_frames_that_come_between_the_steps_leave_the_steps_to_come(clock):
    eta = Eta(frames=4, clock=clock)
    for step in (1, 2):
        clock.now += 3
        eta.after_step(step, 4)
    for index in (0, 1):
        clock.now += 1
        left = eta.after_frame(index)
    assert left == pytest.approx(2 * 3 + 2 * 1)
    clock.now += 3
    assert eta.after_step(3, 4) == pytest.approx(3 + 2)
