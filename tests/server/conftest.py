"""Real parts for the server's tests: a `understudy serve` process, a clip, a reference."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image
from understudy.core.pose.clip import PoseClip
from understudy.core.protocol import Event, GenerationSettings, JobRequest

START_SECONDS = 20


def make_clip(frames: int = 2) -> PoseClip:
    """One person, Ann, arms out, walking to the right."""
    rng = np.random.default_rng(7)
    points = rng.uniform(-0.5, 0.5, (frames, 1, 134, 3)).astype(np.float32)
    points[..., 0] += np.linspace(0, 0.5, frames, dtype=np.float32)[:, None, None]
    points[..., 2] += 3
    intrinsics = np.tile(np.array([[80, 0, 32], [0, 80, 32], [0, 0, 1]], np.float32), (frames, 1, 1))
    return PoseClip(
        points_cam=points, visible=np.ones((frames, 1, 134), bool), intrinsics=intrinsics,
        orthographic=np.zeros(frames, bool), frames=np.arange(1, frames + 1, dtype=np.int32), fps=24.0, width=64, height=64,
        people=("Ann",),
    )  # fmt: skip


def make_reference() -> bytes:
    buffer = io.BytesIO()
    picture = Image.new("RGB", (64, 64), "white")
    picture.paste((180, 40, 40), (24, 8, 40, 60))
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class RunningServer:
    """A `understudy serve` process, and a client that has its token."""

    data: Path
    process: subprocess.Popen
    url: str
    token: str
    client: httpx.Client = field(init=False)

    def __post_init__(self):
        self.client = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)

    @classmethod
    def start(cls, data: Path, *options: str) -> RunningServer:
        found = data / "server.json"
        found.unlink(missing_ok=True)
        with (data.parent / f"{data.name}.log").open("ab") as log:
            command = [sys.executable, "-m", "understudy.server", "serve", "--data", str(data), *options]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not found.exists():
            assert process.poll() is None and time.monotonic() < deadline, (data.parent / f"{data.name}.log").read_text()
            time.sleep(0.01)
        said = json.loads(found.read_text())
        return cls(data, process, said["url"], said["token"])

    def parts(self, frames: int = 2, **settings) -> dict[str, bytes]:
        request = JobRequest(GenerationSettings(**{"width": 64, "height": 64, "steps": 2, **settings}))
        return {
            "request.json": json.dumps(request.to_json()).encode(),
            "clip.npz": make_clip(frames).to_bytes(),
            "reference-Ann.png": make_reference(),
        }

    def post(self, parts: dict[str, bytes], key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.client.post("/v1/jobs", files={name: (name, data) for name, data in parts.items()}, headers=headers)

    def submit(self, frames: int = 2, key: str | None = None, **settings) -> str:
        response = self.post(self.parts(frames, **settings), key)
        assert response.status_code == 202, response.text
        return response.json()["id"]

    def events(self, job: str, after: int = 0) -> Iterator[Event]:
        """The job's events until the last; closing the iterator drops the stream."""
        with self.client.stream("GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": str(after)}) as response:
            assert response.status_code == 200
            for line in response.iter_lines():
                if line.startswith("data:"):
                    yield Event.from_json(json.loads(line.removeprefix("data:")))

    def wait_for(self, job: str, wanted: Callable[[Event], bool]) -> Event:
        events = self.events(job)
        for event in events:
            if wanted(event):
                events.close()
                return event
        raise AssertionError("the stream ended before that event")

    def state(self, job: str) -> str:
        return self.client.get(f"/v1/jobs/{job}").json()["state"]

    def frames(self, job: str) -> list[bytes]:
        total = self.client.get(f"/v1/jobs/{job}").json()["frames_done"]
        return [self.client.get(f"/v1/jobs/{job}/frames/{index}").content for index in range(total)]

    def worker(self) -> psutil.Process:
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def kill(self) -> None:
        """As by the kernel: no chance to clean up."""
        self.client.close()
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.client.close()
        self.process.terminate()
        return self.process.wait(timeout=15)


@pytest.fixture(scope="module", autouse=True)
def one_thread_on_the_cpu() -> Iterator[None]:
    """The same bytes on every machine that runs the tests, for every process that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("UNDERSTUDY_DEVICE", "cpu")
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[RunningServer]:
    """One server for every test that leaves it running."""
    running = RunningServer.start(tmp_path_factory.mktemp("shared") / "data")
    yield running
    running.stop()


@pytest.fixture
def start_server(tmp_path) -> Iterator[Callable[..., RunningServer]]:
    """Starts servers of the test's own, and ends what is left of them."""
    started = []

    def start(*options: str, name: str = "data") -> RunningServer:
        started.append(RunningServer.start(tmp_path / name, *options))
        return started[-1]

    yield start
    for running in started:
        running.client.close()
        if running.process.poll() is None:
            running.kill()


@pytest.fixture(scope="session")
def clip_factory() -> Callable[[int], PoseClip]:
    return make_clip


@pytest.fixture(scope="session")
def reference() -> bytes:
    return make_reference()
