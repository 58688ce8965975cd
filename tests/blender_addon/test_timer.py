import pytest
from understudy.blender_addon import timer


@pytest.fixture(autouse=True)
def stopped():
    yield
    timer.stop()


def test_a_ticker_that_fails_is_dropped_and_the_others_go_on(capsys):
    ticks = []

    def fails() -> float:
        raise ZeroDivisionError("somebody's mistake")

    def counts() -> float:
        ticks.append(len(ticks))
        return 0.5

    timer.wake(fails)
    timer.wake(counts)
    assert [timer._tick(), timer._tick()] == [0.5, 0.5]
    assert ticks == [0, 1]
    assert capsys.readouterr().err.count("Traceback") == 1, "told once"
