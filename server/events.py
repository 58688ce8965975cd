"""Each job's log of events: written once, read from any point, live or long after."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool

from ..core.errors import JobNotFound
from ..core.protocol import Event, EventKind
from .store import Store


class EventLog:
    """Appends from the runner's thread, streams on the server's event loop.

    A stream always reads the store, and an append only wakes it: live and replayed events take the same way, so nothing can
    fall between the two.
    """

    def __init__(self, store: Store):
        self._store = store
        self._lock = threading.Lock()
        self._waiting: dict[str, set[_Alarm]] = defaultdict(set)

    def append(self, job_id: str, kind: EventKind, data: dict[str, Any], **changes: Any) -> None:
        """Record the event, with the job's `changes`, and wake its streams. Raises `DiskFull`."""
        self._store.record(job_id, kind, data, **changes)
        self.wake(job_id)

    def wake(self, job_id: str) -> None:
        with self._lock:
            alarms = list(self._waiting.get(job_id, ()))
        for alarm in alarms:
            alarm.ring()

    async def stream(self, job_id: str, after: int) -> AsyncIterator[Event]:
        """Events with an id above `after`, as they come, until the one that ends the job."""
        alarm = _Alarm()
        with self._lock:
            self._waiting[job_id].add(alarm)
        try:
            while True:
                alarm.reset()
                ended, events = await run_in_threadpool(self._read, job_id, after)
                for event in events:
                    yield event
                    after = event.id
                if ended:
                    return
                await alarm.wait()
        finally:
            with self._lock:
                self._waiting[job_id].discard(alarm)
                if not self._waiting[job_id]:
                    del self._waiting[job_id]

    def _read(self, job_id: str, after: int) -> tuple[bool, list[Event]]:
        # The state first: a job seen to have ended has its last event in the log, the other way round it may not.
        try:
            ended = self._store.get(job_id).state.ended
        except JobNotFound:  # deleted while we waited
            return True, []
        return ended, self._store.events_after(job_id, after)


class _Alarm:
    """An asyncio event that any thread can set."""

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    def reset(self) -> None:
        self._event.clear()

    async def wait(self) -> None:
        await self._event.wait()
