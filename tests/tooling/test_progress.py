"""The progress bar, in a log and on a terminal."""

import io

from tooling.progress import Bar, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_durations_read_as_a_person_says_them():
    assert duration(41.6) == "42 s"
    assert duration(200) == "3 min 20 s"


def test_the_bar_never_goes_back():
    stream = Terminal()
    bar = Bar("Set-up", stream)
    bar.update(0.6)
    bar.update(0.2)
    assert bar.fraction == 0.6
    assert " 60%" in stream.getvalue().split("\r")[-1]


def test_a_terminal_is_drawn_in_place_and_left_on_a_new_line():
    stream = Terminal()
    with Bar("Set-up", stream) as bar:
        bar.update(0.5, "half")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().endswith("Set-up: done in 0 s\n")


def test_a_log_is_not_flooded():
    stream = io.StringIO()
    with Bar("Set-up", stream) as bar:
        for step in range(100):
            bar.update(step / 100)
    assert len(stream.getvalue().splitlines()) == 2


def test_time_left_is_extrapolated_from_what_is_done():
    stream = Terminal()
    bar = Bar("Set-up", stream)
    bar.started -= 30
    bar.update(0.25)
    assert "1 min 30 s left" in stream.getvalue()


def test_an_error_is_not_reported_as_done():
    stream = io.StringIO()
    try:
        with Bar("Set-up", stream):
            raise ValueError
    except ValueError:
        pass
    assert "stopped after" in stream.getvalue()
