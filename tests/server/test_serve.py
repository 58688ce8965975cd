"""The whole server process: found, single, idle, killed, gone on with."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time

import httpx
import psutil
import pytest
from understudy.core.protocol import PROTOCOL, EventKind, GenerationSettings, JobRequest, JobState
from understudy.core.version import VERSION
from understudy.server.store import Store


def step(number: int):
    return lambda event: event.kind is EventKind.STEP and event.data["step"] >= number


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "understudy.server", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_a_server_is_found_by_its_file_after_little_work_and_without_torch(start_server):
    server = start_server()
    health = server.client.get("/v1/health")
    assert (health.status_code, health.json()["device"], health.json()["precision"]) == (200, None, None)
    process = psutil.Process(server.process.pid)
    spent = process.cpu_times()
    assert spent.user + spent.system < 2  # seconds of its own: how many pass depends on what else this machine does
    said = json.loads((server.data / "server.json").read_text())
    assert said == {
        "url": server.url, "token": server.token, "pid": server.process.pid, "version": VERSION, "protocol": PROTOCOL,
    }  # fmt: skip
    assert not any("torch" in mapped.path for mapped in process.memory_maps())


def test_a_terminated_server_leaves_no_address_and_no_worker(start_server):
    server = start_server()
    server.wait_for(server.submit(steps=900), step(1))
    worker = server.worker()
    assert server.stop() == 0
    assert not (server.data / "server.json").exists()
    assert not worker.is_running()


def test_a_second_server_on_the_same_folder_says_where_the_first_is(server):
    second = run("--data", str(server.data))
    assert second.returncode == 1
    assert server.url in second.stderr.splitlines()[-1]
    assert "Traceback" not in second.stderr
    assert server.client.get("/v1/health").status_code == 200


def test_what_keeps_a_server_from_starting_is_told_in_one_line(tmp_path, server):
    (tmp_path / "file").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "jobs.sqlite").write_bytes(b"no database at all" * 500)
    for arguments, reason in [
        (["--data", str(tmp_path / "file")], "cannot be made"),
        (["--data", str(tmp_path / "broken")], "not a readable job database"),
        (["--data", str(tmp_path / "a"), "--port", server.url.rpartition(":")[2]], "is not free"),
        (["--data", str(tmp_path / "b"), "--host", "0.0.0.0"], "other machines"),
    ]:
        refused = run(*arguments)
        assert refused.returncode == 1
        assert reason in refused.stderr.splitlines()[-1]
        assert "Traceback" not in refused.stderr


def test_an_idle_server_ends_but_never_with_a_job_or_an_open_stream(start_server):
    server = start_server("--idle-minutes", "0.02")  # 1.2 s
    job = server.submit(steps=50)  # longer than that: the worker alone takes longer to start
    assert list(server.events(job))[-1].kind is EventKind.DONE
    began = time.monotonic()
    # Neither a panel that looks on nor a stranger without the token keeps it running.
    with contextlib.suppress(httpx.TransportError):
        while time.monotonic() - began < 10:
            assert server.client.get("/v1/health").status_code == 200
            assert httpx.get(f"{server.url}/v1/jobs").status_code == 401
            time.sleep(0.1)
    assert server.process.wait(timeout=5) == 0
    assert 0.8 < time.monotonic() - began < 10
    assert not (server.data / "server.json").exists()


def test_jobs_that_ended_long_ago_are_forgotten_at_the_start(start_server, tmp_path):
    (tmp_path / "data").mkdir()
    store = Store(tmp_path / "data" / "jobs.sqlite")
    for job in ("old", "new"):
        store.add(job, job, JobRequest(GenerationSettings()), 1, 10)
    store.record("old", EventKind.DONE, {}, state=JobState.DONE, ended=time.time() - 15 * 24 * 3600)
    store.record("new", EventKind.DONE, {}, state=JobState.DONE, ended=time.time() - 13 * 24 * 3600)
    store.close()
    server = start_server()
    assert [job["id"] for job in server.client.get("/v1/jobs").json()["jobs"]] == ["new"]
    server.stop()
    server = start_server("--keep-days", "1")
    assert server.client.get("/v1/jobs").json()["jobs"] == []


def test_every_acknowledged_job_survives_the_server(start_server):
    """kill -9 in the middle of submitting, again and again: a moment after the second that was acknowledged."""
    acknowledged = set()
    for round_number in range(4):
        server = start_server()
        # A long first job keeps the queue from being worked off.
        parts = server.parts(steps=1000)
        known = len(acknowledged)
        try:
            while True:
                response = server.post(parts)
                if response.status_code == 202:
                    acknowledged.add(response.json()["id"])
                    if len(acknowledged) == known + 2:
                        threading.Timer(0.01 * round_number, server.process.kill).start()
                else:
                    assert response.json()["error"] == "QueueFull"
        except httpx.TransportError:
            server.kill()
    server = start_server()
    listed = {job["id"]: job for job in server.client.get("/v1/jobs").json()["jobs"]}
    assert len(acknowledged) > 4
    assert acknowledged <= listed.keys()
    folders = {path.name for path in (server.data / "jobs").iterdir()}
    assert folders == listed.keys()
    for job in acknowledged:
        assert (server.data / "jobs" / job / "clip.npz").exists()


def test_a_running_job_is_gone_on_with_after_the_server_was_killed(start_server):
    server = start_server()
    settings = {"frames": 3, "steps": 60, "seed": 4}
    job = server.submit(**settings)
    server.wait_for(job, step(10))
    worker = server.worker()
    server.kill()
    worker.wait(timeout=5)

    server = start_server()
    events = list(server.events(job))
    assert events[-1].kind is EventKind.DONE
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    steps = [event.data["step"] for event in events if event.kind is EventKind.STEP]
    # A step whose latents were saved and whose event was not is not told again: some may be missing, one may be there twice.
    assert steps == sorted(steps)
    assert len(steps) - len(set(steps)) <= 1
    assert (steps[0], steps[-1]) == (1, 60)
    again = server.submit(**settings)
    server.wait_for(again, lambda event: event.kind is EventKind.DONE)
    assert server.frames(job) == server.frames(again)


def test_a_killed_worker_fails_its_job_and_the_next_one_runs(server):
    job, after = server.submit(steps=900), server.submit()
    server.wait_for(job, step(3))
    server.worker().kill()
    failed = list(server.events(job))[-1]
    assert (failed.kind, failed.data["error"]) == (EventKind.FAILED, "WorkerDied")
    assert server.client.get(f"/v1/jobs/{job}").json()["error"] == failed.data
    assert list(server.events(after))[-1].kind is EventKind.DONE


def test_a_full_queue_says_when_to_come_back(start_server):
    server = start_server()
    parts = server.parts(steps=1000)
    responses = [server.post(parts) for _ in range(101)]
    assert {response.status_code for response in responses[:100]} == {202}
    assert (responses[100].status_code, responses[100].json()["error"]) == (429, "QueueFull")
    assert int(responses[100].headers["Retry-After"]) > 0


@pytest.mark.parametrize("count", [40])
def test_many_clients_at_once_are_all_answered(server, count):
    answers = []

    def ask():
        answers.append(httpx.get(f"{server.url}/v1/jobs", headers={"Authorization": f"Bearer {server.token}"}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * count
