"""`understudy serve`: everything put together, for as long as somebody needs it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from ..core.errors import ServerStartFailed
from ..core.protocol import PROTOCOL
from ..core.version import VERSION
from .activity import Activity
from .app import create_app
from .discovery import Discovery, FolderLock
from .events import EventLog
from .jobs import Jobs
from .runner import Runner
from .security import BodyLimit, Guard, allowed_hosts, new_token, require_allowed_bind
from .store import Store
from .worker import Worker

logger = logging.getLogger(__name__)

GRACE_SECONDS = 3


@dataclass(frozen=True)
class ServeOptions:
    """`idle_minutes` 0 means for ever, and so does `keep_days`, for which jobs that have ended are kept.

    `remote_names` are what other machines may call this one: none, they may not.
    """

    data: Path
    weights: Path
    host: str = "127.0.0.1"
    port: int = 0
    idle_minutes: float = 30.0
    keep_days: float = 14.0
    remote_names: Sequence[str] = ()


def serve(options: ServeOptions) -> None:
    """Serve until a signal or idleness ends it. Raises `ServerStartFailed`."""
    # uvicorn raises the signal that stopped it once more when it is through: it has to unwind us, not end us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    require_allowed_bind(options.host, options.remote_names)
    token = new_token()
    with ExitStack() as stack:
        try:
            options.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ServerStartFailed(
                f"{options.data} cannot be made: {error.strerror}.", "Choose another with --data."
            ) from error
        lock = FolderLock(options.data)
        stack.callback(lock.release)
        listener = _listen(options)
        stack.callback(listener.close)
        host, port = listener.getsockname()[:2]
        hosts = allowed_hosts(host, port, options.remote_names)

        store = Store(options.data / "jobs.sqlite")
        stack.callback(store.close)
        jobs = Jobs(options.data, options.weights, store, EventLog(store))
        if options.keep_days:
            jobs.forget_ended_before(time.time() - options.keep_days * 24 * 60 * 60)
        worker = Worker()  # what it prints comes with what we print: one log
        runner = Runner(options.data, jobs, worker)
        runner.start()
        stack.callback(runner.stop)

        server = _HttpServer(create_app(jobs, worker), token, hosts, options.idle_minutes * 60, store.has_live)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        Discovery(url, token, os.getpid(), VERSION, PROTOCOL).write(options.data)
        stack.callback(Discovery.remove, options.data)
        logger.info("Understudy %s at %s, data in %s, weights in %s", VERSION, url, options.data, options.weights)
        asyncio.run(server.run(listener))


def _listen(options: ServeOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server((options.host, options.port), family=family, backlog=128)
    except OSError as error:
        raise ServerStartFailed(
            f"{options.host}, port {options.port}, is not free ({error.strerror}).", "Choose another port, or 0 for any."
        ) from error


class _HttpServer:
    """uvicorn around the guarded application, which stops it when idle."""

    def __init__(self, app, token: str, hosts: frozenset[str], idle_seconds: float, has_work):
        self._activity = Activity(BodyLimit(app), idle_seconds, has_work, self._stop)
        self._server = uvicorn.Server(
            uvicorn.Config(
                Guard(self._activity, token, hosts),
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    async def run(self, listener: socket.socket) -> None:
        watch = asyncio.create_task(self._activity.watch())
        try:
            await self._server.serve(sockets=[listener])
        finally:
            watch.cancel()

    def _stop(self) -> None:
        logger.info("nobody has needed this server for a while: it ends")
        self._server.should_exit = True
