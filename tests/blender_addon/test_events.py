"""The follower against a real HTTP server that plays a script: streams that break off, servers that vanish."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from understudy.blender_addon import events
from understudy.blender_addon.client import Client
from understudy.blender_addon.events import Detached, JobFollower, read_events
from understudy.blender_addon.messages import FrameSaved, Message, Noted, PreviewSaved, Queued, Reconnecting, StepDone
from understudy.blender_addon.session import Progress
from understudy.core.errors import Cancelled, OutOfMemory, ServerUnreachable
from understudy.core.protocol import Event, EventKind

FRAMES = 5


def script(*last: tuple[EventKind, dict]) -> list[Event]:
    """A job of two steps and five frames, ended by `last`."""
    entries = [
        (EventKind.QUEUED, {"position": 0}),
        (EventKind.STARTED, {"engine": "understudy", "device": "cpu", "frames": FRAMES}),
        (EventKind.STEP, {"step": 1, "steps": 2, "eta": None}),
        (EventKind.PREVIEW, {"step": 1}),
        (EventKind.STEP, {"step": 2, "steps": 2, "eta": 1.5}),
        *((EventKind.FRAME, {"frame": number, "frames": FRAMES, "eta": 1.0}) for number in range(FRAMES)),
        *(last or ((EventKind.DONE, {"frames": FRAMES, "seconds": 2.0}),)),
    ]
    return [Event(number, "job", kind, data) for number, (kind, data) in enumerate(entries, 1)]


class Scripted:
    """Streams `entries`, `burst` of them a connection; counts connections, remembers where each began and what was deleted."""

    def __init__(self, entries: list[Event], burst: int):
        self.entries, self.burst = entries, burst
        self.asked_after: list[int] = []
        self.deleted = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path.endswith("/events"):
                    after = int(self.headers.get("Last-Event-ID", 0))
                    outer.asked_after.append(after)
                    self.answer("text/event-stream", outer.stream(after))
                else:
                    self.answer("image/png", b"PNG of " + self.path.rpartition("/jobs/job/")[2].encode())

            def do_DELETE(self):
                outer.deleted += 1
                request = {"settings": {}, "name": "take"}
                job = {"id": "job", "state": "cancelled", "request": request, "frames_total": FRAMES}
                self.answer("application/json", json.dumps(job).encode())

            def answer(self, kind: str, body: bytes):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def client(self) -> Client:
        return Client(f"http://127.0.0.1:{self.server.server_port}", "token")

    def stream(self, after: int) -> bytes:
        lines = [": a heartbeat\n\n"]
        for event in self.entries[after : after + self.burst]:
            lines.append(f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(event.to_json())}\n\n")
        # The next one only half: a connection breaks where it likes.
        lines += [f"id: {event.id}\ndata: {{" for event in self.entries[after + self.burst : after + self.burst + 1]]
        return "".join(lines).encode()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def play(monkeypatch) -> Iterator[Callable[..., Scripted]]:
    monkeypatch.setattr(events, "FIRST_PAUSE", 0.001)
    playing: list[Scripted] = []

    def start(entries: list[Event], burst: int = 1000) -> Scripted:
        playing.append(Scripted(entries, burst))
        return playing[-1]

    yield start
    for scripted in playing:
        scripted.close()


def follow(scripted: Scripted, folder, connect=None, cancelled=None, detached=None) -> tuple[list, list[Message]]:
    messages: list[Message] = []
    (folder / "previews").mkdir(exist_ok=True)
    follower = JobFollower(
        connect or (lambda: scripted.client),
        "job",
        folder,
        folder / "previews",
        cancelled or threading.Event(),
        detached or threading.Event(),
        messages.append,
    )
    return list(follower.run()), messages


def test_events_become_messages_and_pictures_become_files(play, tmp_path):
    frames, messages = follow(play(script()), tmp_path)
    assert [path.name for path in frames] == [f"{number:04}.png" for number in range(1, FRAMES + 1)]
    assert frames[2].read_bytes() == b"PNG of frames/2"
    assert Queued(0) in messages
    assert StepDone(2, 2, 1.5) in messages
    assert [(message.done, message.total) for message in messages if isinstance(message, FrameSaved)][-1] == (FRAMES, FRAMES)
    (preview,) = [message.path for message in messages if isinstance(message, PreviewSaved)]
    assert preview.read_bytes() == b"PNG of preview"


@pytest.mark.parametrize("burst", [1, 3])
def test_a_stream_that_keeps_breaking_loses_nothing_and_repeats_nothing(play, tmp_path, burst):
    scripted = play(script(), burst)
    frames, messages = follow(scripted, tmp_path)
    assert len(frames) == FRAMES
    assert scripted.asked_after == list(range(0, len(script()), burst))
    assert [message.done for message in messages if isinstance(message, FrameSaved)] == list(range(1, FRAMES + 1))
    assert any(isinstance(message, Reconnecting) for message in messages)


def test_a_server_that_comes_back_elsewhere_is_followed_there(play, tmp_path):
    first, second = play(script(), burst=4), play(script())
    clients = iter([first.client, second.client])
    frames, _ = follow(first, tmp_path, connect=lambda: next(clients))
    assert len(frames) == FRAMES
    assert second.asked_after == [4]


def test_a_server_that_stays_away_is_unreachable_in_the_end(play, tmp_path):
    calls = []

    def connect() -> Client:
        calls.append(1)
        raise ServerUnreachable("gone")

    with pytest.raises(ServerUnreachable, match="gone"):
        follow(play(script()), tmp_path, connect=connect)
    assert len(calls) == events.RETRIES + 1


def test_a_failed_job_raises_what_it_failed_with(play, tmp_path):
    error = OutOfMemory("No memory is left on cuda.")
    with pytest.raises(OutOfMemory, match="No memory is left") as caught:
        follow(play(script((EventKind.FAILED, error.to_json()))), tmp_path)
    assert caught.value.remedy == error.remedy


def test_a_cancelled_job_raises_cancelled(play, tmp_path):
    with pytest.raises(Cancelled):
        follow(play(script((EventKind.CANCELLED, {}))), tmp_path)


def test_a_cancel_that_found_no_connection_is_told_on_the_next_one(play, tmp_path):
    scripted = play(script((EventKind.CANCELLED, {})))
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        follow(scripted, tmp_path, cancelled=cancelled)
    assert scripted.deleted == 1


def test_a_cancel_does_not_wait_for_the_next_try(play, tmp_path, monkeypatch):
    monkeypatch.setattr(events, "FIRST_PAUSE", 30.0)
    scripted, cancelled = play(script((EventKind.CANCELLED, {})), burst=3), threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    scripted_all = play(script((EventKind.CANCELLED, {})))
    clients = iter([scripted.client, scripted_all.client])
    began = time.monotonic()
    with pytest.raises(Cancelled):
        follow(scripted, tmp_path, connect=lambda: next(clients), cancelled=cancelled)
    assert time.monotonic() - began < 15
    assert scripted_all.deleted == 1


def test_a_detached_follower_leaves_the_job_alone(play, tmp_path):
    scripted, detached = play(script()), threading.Event()
    detached.set()
    with pytest.raises(Detached):
        follow(scripted, tmp_path, detached=detached)
    assert scripted.deleted == 0


def test_a_detached_follower_looks_for_no_server_again(play, tmp_path):
    tries, detached = [], threading.Event()

    def connect() -> Client:
        tries.append(None)
        detached.set()
        raise ServerUnreachable("It was stopped.")

    with pytest.raises(Detached):
        follow(play(script()), tmp_path, connect, detached=detached)
    assert len(tries) == 1


def test_frames_that_are_there_are_not_fetched_again(play, tmp_path):
    (tmp_path / "0002.png").write_bytes(b"kept")
    frames, _ = follow(play(script()), tmp_path)
    assert [path.read_bytes()[:4] for path in frames] == [b"PNG ", b"kept", b"PNG ", b"PNG ", b"PNG "]


def test_comments_names_and_unknown_fields_of_the_stream_are_skipped():
    event = Event(1, "job", EventKind.QUEUED, {"position": 2})
    lines = [
        b": ping\r\n",
        b"\r\n",
        b"retry: 5\r\n",
        b"id: 1\r\n",
        f"data: {json.dumps(event.to_json())}\r\n".encode(),
        b"\r\n",
    ]
    assert list(read_events(lines)) == [event]


def test_a_note_is_told_and_stays_beside_the_steps(play, tmp_path):
    done = (EventKind.DONE, {"frames": FRAMES, "seconds": 2.0})
    _, messages = follow(play(script((EventKind.NOTE, {"text": "a smaller window"}), done)), tmp_path)
    assert Noted("a smaller window") in messages
    progress = Progress(step=1, steps=2, frames=FRAMES, warning="a smaller window")
    assert progress.text == "step 1/2 · frame 0/5 · a smaller window"
