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

from ..core.errors import Cancelled, ServerStartFailed, ServerUnreachable, UnderstudyError
from ..core.protocol import PROTOCOL
from ..core.version import VERSION
from . import environment
from .client import Client
from .processes import is_alive

LOG_NAME = "server.log"
MAX_LOG_BYTES = 2**20
START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0
HEALTH_TIMEOUT = 3.0
PACKAGE = Path(__file__).resolve().parent.parent

# One start at a time: two threads must not both find no server and start two.
_starting = threading.Lock()


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
    """The server that the add-on starts by itself: run by `python`, its jobs, log and address kept in `data`.

    `weights` holds a folder for each engine that needs one; None: in `data`.
    """

    python: Path
    data: Path
    idle_minutes: int
    weights: Path | None = None

    @property
    def log(self) -> Path:
        return self.data / LOG_NAME

    def find(self) -> Client:
        """The running server, whoever started it and when. Raises `ServerUnreachable` where there is none."""
        return self._find()[0]

    def _find(self) -> tuple[Client, dict]:
        """The running server and its health."""
        address = read_address(self.data)
        health = address and _health(address)
        if not health:
            raise ServerUnreachable("The server is not running.")
        return address.client, health

    def connect(self, cancelled: threading.Event, on_start: Callable[[], None]) -> Client:
        """The running server of this version and with these weights, started where there is none; `on_start` comes before that.

        Raises `EnvironmentMissing`, `Cancelled`, and `ServerStartFailed`, also where one with other weights has jobs to do.
        """
        with _starting:
            with contextlib.suppress(ServerUnreachable):
                client, health = self._find()
                if health.get("version") == VERSION:
                    if Path(health["weights"]) == self._weights():
                        return client
                    _require_idle(client, health["weights"])
                stop(self.data)
            on_start()
            return self._start(cancelled)

    def _weights(self) -> Path:
        return (self.weights or self.data / "weights").resolve()

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
                raise ServerStartFailed(
                    f"The server ended with status {process.returncode}: {_last_line(self.log)}",
                    f"Open its log, and see in the preferences whether {self.python} is the right Python.",
                )
            if cancelled.wait(0.1):
                raise Cancelled("The server's start was cancelled.")
        raise ServerStartFailed(f"The server did not answer within {START_TIMEOUT:.0f} s.")

    def _command(self) -> list[str]:
        command = [
            str(self.python), "-m", "understudy.server", "serve",
            "--data", str(self.data), "--port", "0", "--idle-minutes", str(self.idle_minutes),
        ]  # fmt: skip
        return command if self.weights is None else [*command, "--weights", str(self.weights)]


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
    if _health(address) is None:  # after a crash, the number may be another program's
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(address.pid, signal.SIGTERM)  # on Windows this is TerminateProcess; the jobs are in the database
    deadline = time.monotonic() + STOP_TIMEOUT
    while time.monotonic() < deadline:
        if not is_alive(address.pid):  # it answers no more a while before it lets go of its folder
            return True
        time.sleep(0.05)
    raise ServerStartFailed(f"The server (process {address.pid}) does not end.", "End it in the system's task manager.")


def _require_idle(client: Client, weights: str) -> None:
    """Raise `ServerStartFailed` while takes, perhaps another Blender's, are drawn with these `weights`."""
    if live := sum(not job.state.ended for job in client.jobs()):
        raise ServerStartFailed(
            f"The server still has {live} {'take' if live == 1 else 'takes'} to draw with the weights in {weights}.",
            "Wait for them, or stop the server, or choose that folder in the add-on's preferences again.",
        )


def _health(address: Address) -> dict | None:
    """What the server says of itself; None where none answers, or another program has been given its port."""
    try:
        health = address.client.health(HEALTH_TIMEOUT)
    except UnderstudyError:
        return None
    return health if isinstance(health, dict) and "protocol" in health else None


def _spawn(command: list[str], folder: Path, log: Path) -> subprocess.Popen:
    """Start a process that outlives Blender, its output appended to `log`."""
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    if PACKAGE.name == "understudy":  # installed as an extension; from a checkout, the environment has it installed
        variables["PYTHONPATH"] = str(PACKAGE.parent)
    _rotate(log)
    with log.open("ab") as output:
        process = _popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=variables
        )  # fmt: skip
    # Somebody must take note of its end, whoever ends it: until then it is there, as a zombie.
    threading.Thread(target=process.wait, name="Understudy: waiting for the server's end", daemon=True).start()
    return process


def _popen(command: list[str], **options) -> subprocess.Popen:
    """A process that is not ended with this one."""
    if sys.platform != "win32":
        return subprocess.Popen(command, start_new_session=True, **options)
    flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    try:
        return subprocess.Popen(command, creationflags=flags | subprocess.CREATE_BREAKAWAY_FROM_JOB, **options)
    except PermissionError:  # Blender runs in a job that none may leave, as some launchers have it
        return subprocess.Popen(command, creationflags=flags, **options)


def _rotate(log: Path) -> None:
    """Put a long log aside, over the one before it."""
    with contextlib.suppress(OSError):  # there is none; or, on Windows, somebody reads it: then it grows on
        if log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_name(log.name + ".1"))


def _last_line(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        lines = [line.strip() for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing."
