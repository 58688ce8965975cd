"""The server, as the main thread sees it: what is known of it, and asking, starting and stopping it on threads."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from ..core.errors import ServerUnreachable, UnderstudyError
from . import server_process, threads, timer
from .client import Client
from .messages import EngineInfo, Message, Post, ServerFailed, ServerFound, ServerStarting, ServerStopped
from .server_process import LocalServer, Server

PAUSE = 0.1
REFRESH_SECONDS = 5.0


class ServerState(enum.StrEnum):
    UNKNOWN = "Server: not asked yet"
    STOPPED = "Server: not running"
    STARTING = "Server: starting"
    RUNNING = "Server: running"
    FAILED = "Server: no answer"


class ServerControl:
    """One question or order at a time, each on a thread of its own."""

    def __init__(self):
        self.state = ServerState.UNKNOWN
        self.device = ""
        self.precision = ""
        self.url = ""
        self.engines: tuple[EngineInfo, ...] = ()
        self.error: UnderstudyError | None = None
        self.busy = False
        self._asked = float("-inf")
        self._inbox: SimpleQueue[Message] = SimpleQueue()

    def refresh(self, server: Server) -> None:
        """Ask how the server is, unless that was asked just now. Returns at once."""
        if not self.busy and time.monotonic() - self._asked > REFRESH_SECONDS:
            self._run("asking the server", lambda post: post(_ask(server)))

    def start(self, server: Server) -> None:
        def work(post: Post) -> None:
            post(_describe(server.connect(threading.Event(), lambda: post(ServerStarting()))))

        self._run("starting the server", work)

    def stop(self, data: Path) -> None:
        """End the local server whose data folder this is."""

        def work(post: Post) -> None:
            server_process.stop(data)
            post(ServerStopped())

        self._run("stopping the server", work)

    def forget(self) -> None:
        """Ask again at the next `refresh`: a take has found a server, or started one."""
        self._asked = float("-inf")
        if self.state is not ServerState.RUNNING:
            self.state = ServerState.UNKNOWN

    def abandon(self) -> None:
        """Know nothing and wait for nothing any more; the add-on is being unregistered."""
        self.state, self.error, self.busy = ServerState.UNKNOWN, None, False
        self._asked = float("-inf")
        self._inbox = SimpleQueue()  # a new one: what threads still say reaches nobody

    def tick(self) -> float | None:
        if timer.drain(self._inbox, self._handle):
            timer.redraw_panels()
        return PAUSE if self.busy else None

    def _run(self, name: str, work: Callable[[Post], None]) -> None:
        self.busy = True
        self._asked = time.monotonic()
        post = self._inbox.put
        threads.start(name, lambda: work(post), lambda error: post(ServerFailed(error)))
        timer.wake(self.tick)

    def _handle(self, message: Message) -> None:
        self.error = None
        match message:
            case ServerStarting():
                self.state = ServerState.STARTING
                return  # the order goes on
            case ServerFound():
                self.state, self.url, self.engines = ServerState.RUNNING, message.url, message.engines
                self.device, self.precision = message.device, message.precision
            case ServerStopped():
                self.state, self.precision = ServerState.STOPPED, ""
            case ServerFailed(error):
                self.state, self.error = ServerState.FAILED, error
        self.busy = False


def _ask(server: Server) -> ServerFound | ServerStopped:
    """Raises `ServerUnreachable` for a remote server alone: a local one that does not answer is started when needed."""
    try:
        return _describe(server.find())
    except ServerUnreachable:
        if isinstance(server, LocalServer):
            return ServerStopped()
        raise


def _describe(client: Client) -> ServerFound:
    health = client.health()
    engines = tuple(EngineInfo.from_json(entry) for entry in client.engines())
    return ServerFound(client.url, health["device"] or "", health.get("precision") or "", engines)


server = ServerControl()
