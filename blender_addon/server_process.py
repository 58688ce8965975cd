"""Start, find and stop the inference server. Blocking: called from threads, never from Blender's main thread. No bpy."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import Cancelled, ServerStartFailed, ServerUnreachable, Unauthorized
from ..core.protocol import PROTOCOL
from ..core.version import VERSION
from . import environment
from .client import Client

START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0
HEALTH_TIMEOUT = 3.0
PACKAGE = Path(__file__).resolve().parent.parent

# One start at a time: two threads must not both find no server and start two.
_starting = threading.Lock()
_children: list[subprocess.Popen] = []


@dataclass(frozen=True)
class Address:
    """What a running local server wrote into `server.json`."""

    url: str
    token: str
    pid: int
    version: str

    @property
    def client(self) -> Client:
        return Client(self.url, self.token)


@dataclass(frozen=True)
class RemoteServer:
    """A server that somebody else starts."""

    url: str
    token: str

    def find(self) -> Client:
        """Raises `ServerUnreachable`, `Unauthorized`, `ServerStartFailed` where it speaks another protocol."""
        client = Client(self.url, self.token)
        if (protocol := client.health(HEALTH_TIMEOUT).get("protocol")) != PROTOCOL:
            raise ServerStartFailed(
                f"The server at {self.url} speaks protocol {protocol}, this add-on {PROTOCOL}.",
                "Use the same version of Understudy on both computers.",
            )
        return client

    def connect(self, cancelled: threading.Event, on_start: Callable[[], None]) -> Client:
        return self.find()


@dataclass(frozen=True)
class LocalServer:
    """The server that the add-on starts by itself: run by `python`, its jobs, log and address kept in `data`."""

    python: Path
    data: Path
    idle_minutes: int

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    def find(self) -> Client:
        """The running server, whoever started it and when. Raises `ServerUnreachable` where there is none."""
        address = read_address(self.data)
        if address is None:
            raise ServerUnreachable("The server is not running.")
        try:
            address.client.health(HEALTH_TIMEOUT)
        except Unauthorized as error:
            # The port was given to another program, or to another user's server.
            raise ServerUnreachable("The server is not running.") from error
        return address.client

    def connect(self, cancelled: threading.Event, on_start: Callable[[], None]) -> Client:
        """The running server of this version, started where there is none. `on_start` is called before it is started.

        Raises `EnvironmentMissing`, `ServerStartFailed`, `Cancelled`.
        """
        with _starting:
            with contextlib.suppress(ServerUnreachable):
                client = self.find()
                if client.health(HEALTH_TIMEOUT).get("version") == VERSION:
                    return client
                stop(self.data)
            on_start()
            return self._start(cancelled)

    def _start(self, cancelled: threading.Event) -> Client:
        environment.require(self.python)
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            process = _spawn(self._command(), self.data, self.log)
        except OSError as error:
            raise ServerStartFailed(f"The server cannot be started: {error}.") from error
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            with contextlib.suppress(ServerUnreachable):
                return self.find()  # ours, or that of another Blender which was quicker
            if ended:
                raise ServerStartFailed(f"The server ended with status {process.returncode}: {_last_line(self.log)}")
            if cancelled.wait(0.1):
                raise Cancelled("The server's start was cancelled.")
        raise ServerStartFailed(f"The server did not answer within {START_TIMEOUT:.0f} s.")

    def _command(self) -> list[str]:
        return [
            str(self.python), "-m", "understudy.server", "serve",
            "--data", str(self.data), "--port", "0", "--idle-minutes", str(self.idle_minutes),
        ]  # fmt: skip


Server = LocalServer | RemoteServer


def read_address(data: Path) -> Address | None:
    """What `server.json` in the server's data folder says, or None where there is none to be read."""
    try:
        entry = json.loads((data / "server.json").read_text(encoding="utf-8"))
        return Address(str(entry["url"]), str(entry["token"]), int(entry["pid"]), str(entry["version"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stop(data: Path) -> bool:
    """End the server that runs on `data`; False where none does. Raises `ServerStartFailed` where it does not end."""
    address = read_address(data)
    if address is None:
        return False
    try:
        # Only a server that knows the token is ours to end: after a crash the number may be another program's.
        address.client.health(HEALTH_TIMEOUT)
    except (ServerUnreachable, Unauthorized):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(address.pid, signal.SIGTERM)  # on Windows this is TerminateProcess; the jobs are in the database
    deadline = time.monotonic() + STOP_TIMEOUT
    while time.monotonic() < deadline:
        if not _is_alive(address):
            return True
        time.sleep(0.05)
    raise ServerStartFailed(f"The server (process {address.pid}) does not end.", "End it in the system's task manager.")


def _is_alive(address: Address) -> bool:
    """Whether the server's process is still there: it answers no more a while before it lets go of its folder."""
    reap()
    if sys.platform == "win32":  # there it was terminated on the spot, and `os.kill(pid, 0)` would do that too
        with contextlib.suppress(ServerUnreachable, Unauthorized):
            address.client.health(HEALTH_TIMEOUT)
            return True
        return False
    try:
        os.kill(address.pid, 0)
    except ProcessLookupError:
        return False
    return True


def reap() -> None:
    """Forget the servers of this Blender that have ended, so that none is left as a zombie."""
    _children[:] = [child for child in _children if child.poll() is None]


def _spawn(command: list[str], folder: Path, log: Path) -> subprocess.Popen:
    """Start a process that outlives Blender, its output appended to `log`."""
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    if PACKAGE.name == "understudy":  # installed as an extension; from a checkout, the environment has it installed
        variables["PYTHONPATH"] = str(PACKAGE.parent)
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW | subprocess.CREATE_BREAKAWAY_FROM_JOB
        detached = {"creationflags": flags}
    else:
        detached = {"start_new_session": True}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=variables, **detached
        )
    reap()
    _children.append(process)
    return process


def _last_line(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        lines = [line.strip() for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing."
