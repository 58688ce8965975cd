import dataclasses
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from understudy.blender_addon import server_process
from understudy.blender_addon.client import Client
from understudy.blender_addon.server_process import LocalServer, RemoteServer, read_address
from understudy.core.errors import Cancelled, EnvironmentMissing, ServerStartFailed, ServerUnreachable, Unauthorized
from understudy.core.protocol import GenerationSettings, Job, JobRequest, JobState


@pytest.fixture
def own_server(tmp_path):
    """A server that the test may kill."""
    server = LocalServer(Path(sys.executable), tmp_path / "data", idle_minutes=5)
    yield server
    server_process.stop(server.data)


def connect(server: LocalServer, starts: list | None = None):
    return server.connect(threading.Event(), lambda: starts.append(1) if starts is not None else None)


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline, "the process is there, or left as a zombie"
        time.sleep(0.02)


def test_a_server_is_started_once_found_again_and_stopped(own_server):
    starts: list[int] = []
    first = connect(own_server, starts)
    again = connect(LocalServer(own_server.python, own_server.data, 5), starts)  # as after a restart of Blender
    assert first == again
    assert len(starts) == 1
    assert server_process.stop(own_server.data) is True
    assert server_process.stop(own_server.data) is False
    with pytest.raises(ServerUnreachable):
        own_server.find()


def test_two_threads_start_one_server(own_server):
    starts: list[int] = []
    threads = [threading.Thread(target=connect, args=(own_server, starts)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(starts) == 1


def test_a_killed_server_is_started_anew(own_server):
    connect(own_server)
    address = read_address(own_server.data)
    os.kill(address.pid, signal.SIGKILL)
    wait_for_end(address.pid)
    starts: list[int] = []
    assert connect(own_server, starts).url != address.url
    assert starts == [1]


def test_a_server_of_another_version_is_replaced(own_server, monkeypatch):
    connect(own_server)
    before = read_address(own_server.data)
    monkeypatch.setattr(server_process, "VERSION", "9.9.9")
    connect(own_server)
    assert read_address(own_server.data).pid != before.pid


def test_another_folder_of_weights_needs_another_server(own_server, tmp_path):
    starts: list[int] = []
    elsewhere = dataclasses.replace(own_server, weights=tmp_path / "elsewhere")
    for server in (elsewhere, elsewhere, own_server):  # the last as where the preference is cleared
        connect(server, starts)
    assert starts == [1, 1]


def test_a_server_with_takes_to_draw_is_not_stopped_for_other_weights(own_server, tmp_path, monkeypatch):
    connect(own_server)
    job = Job("abc", JobState.RUNNING, JobRequest(GenerationSettings()), 3)
    monkeypatch.setattr(Client, "jobs", lambda _: [job, job])
    with pytest.raises(ServerStartFailed, match=r"2 takes to draw with the weights in .*data.weights"):
        connect(dataclasses.replace(own_server, weights=tmp_path / "elsewhere"))
    assert own_server.find()


def test_a_python_without_the_servers_packages_fails_with_its_last_words(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no module named fastapi >&2\nexit 3\n")
    python.chmod(0o755)
    with pytest.raises(ServerStartFailed, match=r"status 3.*no module named fastapi.*python.* is the right Python"):
        connect(LocalServer(python, tmp_path / "data", 5))


def test_no_python_is_a_missing_environment(tmp_path):
    with pytest.raises(EnvironmentMissing, match="nowhere"):
        connect(LocalServer(tmp_path / "nowhere", tmp_path / "data", 5))


def test_a_start_can_be_cancelled(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 5\n")
    python.chmod(0o755)
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        LocalServer(python, tmp_path / "data", 5).connect(cancelled, lambda: None)


def test_a_process_that_is_not_the_server_is_never_ended(tmp_path):
    """After a crash, the number in server.json may have become somebody else's."""
    told = {"url": "http://127.0.0.1:9", "token": "t", "pid": os.getpid(), "version": "0.1.0", "protocol": 1}
    (tmp_path / "server.json").write_text(json.dumps(told))
    assert server_process.stop(tmp_path) is False


def test_a_server_ended_by_another_blender_leaves_no_zombie(own_server):
    connect(own_server)
    pid = read_address(own_server.data).pid
    os.kill(pid, signal.SIGTERM)
    wait_for_end(pid)


@pytest.mark.parametrize("answer", [(404, b"no such page"), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (500, b"")])
def test_another_program_on_the_servers_old_port_is_not_the_server(tmp_path, answer):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answer[0])
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, *_):
            pass

    other = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told = {"url": f"http://127.0.0.1:{other.server_port}", "token": "t", "pid": os.getpid(), "version": "0.1.0"}
    (tmp_path / "server.json").write_text(json.dumps(told))
    try:
        with pytest.raises(ServerUnreachable, match="not running"):
            LocalServer(Path(sys.executable), tmp_path, 5).find()
        assert server_process.stop(tmp_path) is False
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


def test_a_long_log_is_put_aside_at_the_next_start(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho new >&2\nexit 3\n")
    python.chmod(0o755)
    server = LocalServer(python, tmp_path / "data", 5)
    server.data.mkdir()
    server.log.write_bytes(b"old\n" * 300_000)
    with pytest.raises(ServerStartFailed):
        connect(server)
    assert server.log.read_text() == "new\n"
    assert (server.data / "server.log.1").stat().st_size == 1_200_000


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": 1}'])
def test_a_damaged_server_json_counts_as_none(tmp_path, content):
    (tmp_path / "server.json").write_text(content)
    assert read_address(tmp_path) is None


def test_a_remote_server_is_reached_by_address_and_token(client):
    assert RemoteServer(client.url, client.token).connect(threading.Event(), lambda: None) == client
    with pytest.raises(Unauthorized):
        RemoteServer(client.url, "wrong").find()
