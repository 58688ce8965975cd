from __future__ import annotations

import os
import threading

import pytest
from understudy.server.messages import Cancel, Failed, Finished, Frame, Generate, Note, Pipe, Preview, Ready, Step

MESSAGES = [
    Generate("job", "/clip.npz", ["/a", "/b"], {"seed": 1, "prompt": "Männlein"}, "/weights", None),
    Cancel("job"),
    Ready("cpu", "float32"),
    Step(1, 2),
    Note("Decoding in full"),
    Preview(2, 1, bytes(range(6)), step=3),
    Frame(2, 1, bytes(range(6)), index=0),
    Finished(),
    Failed({"error": "Cancelled", "message": "m", "remedy": "r"}),
]


@pytest.fixture
def ends():
    """The reading and the writing end of one direction."""
    read, write = os.pipe()
    with open(read, "rb") as reader, open(write, "wb") as writer, open(os.devnull, "rb") as nothing:  # noqa: PTH123
        yield Pipe(reader, writer), Pipe(nothing, writer)


def test_every_message_arrives_as_it_was_sent(ends):
    reading, writing = ends
    for message in MESSAGES:
        writing.send(message)
    assert [reading.receive() for _ in MESSAGES] == MESSAGES


def test_large_pictures_from_many_threads_do_not_mix(ends):
    reading, writing = ends
    frames = [Frame(640, 480, bytes([index]) * (640 * 480 * 3), index) for index in range(4)]
    threads = [threading.Thread(target=writing.send, args=[frame]) for frame in frames]
    for thread in threads:
        thread.start()
    received = [reading.receive() for _ in frames]
    for thread in threads:
        thread.join()
    assert sorted(received, key=lambda frame: frame.index) == frames


@pytest.mark.parametrize("length", [0, 3, 8, 20, 60])
def test_the_end_of_the_stream_is_told_wherever_it_comes(length, tmp_path):
    path = tmp_path / "stream"
    with path.open("wb") as writer, open(os.devnull, "rb") as nothing:  # noqa: PTH123
        Pipe(nothing, writer).send(Frame(4, 4, bytes(48), 0))
    path.write_bytes(path.read_bytes()[:length])
    with path.open("rb") as reader, open(os.devnull, "wb") as nowhere, pytest.raises(EOFError):  # noqa: PTH123
        Pipe(reader, nowhere).receive()
