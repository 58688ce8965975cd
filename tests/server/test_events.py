from __future__ import annotations

import asyncio
import threading

import pytest
from understudy.core.protocol import EventKind, GenerationSettings, JobRequest, JobState
from understudy.server.events import EventLog
from understudy.server.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    store.add("a", "key", JobRequest(GenerationSettings()), 1, 10)
    yield store
    store.close()


async def read(log: EventLog, after: int = 0) -> list[int]:
    return [event.id async for event in log.stream("a", after)]


def end(log: EventLog) -> None:
    log.append("a", EventKind.DONE, {}, state=JobState.DONE)


def test_every_stream_gets_every_event_whenever_it_began(store):
    log = EventLog(store)

    def write() -> None:
        for step in range(200):
            log.append("a", EventKind.STEP, {"step": step})
        end(log)

    async def scenario() -> list[list[int]]:
        writer = threading.Thread(target=write)
        early = [asyncio.create_task(read(log)) for _ in range(3)]
        await asyncio.sleep(0)
        writer.start()
        late = []
        for after in (0, 1, 50):
            await asyncio.sleep(0.01)
            late.append(asyncio.create_task(read(log, after)))
        found = await asyncio.gather(*early, *late)
        writer.join()
        return found

    *streams, from_1, from_50 = asyncio.run(asyncio.wait_for(scenario(), 30))
    assert streams == [list(range(1, 203))] * 4
    assert (from_1, from_50) == (list(range(2, 203)), list(range(51, 203)))


def test_the_stream_of_an_ended_job_ends(store):
    log = EventLog(store)
    end(log)
    assert asyncio.run(asyncio.wait_for(read(log), 5)) == [1, 2]
    assert asyncio.run(asyncio.wait_for(read(log, after=2), 5)) == []
    assert asyncio.run(asyncio.wait_for(read(log, after=99), 5)) == []


def test_the_stream_of_a_deleted_job_ends(store):
    log = EventLog(store)

    async def scenario() -> list[int]:
        stream = asyncio.create_task(read(log))
        await asyncio.sleep(0.05)
        store.delete("a")
        log.wake("a")
        return await stream

    assert asyncio.run(asyncio.wait_for(scenario(), 5)) == [1]


def test_a_dropped_stream_leaves_nothing_behind(store):
    log = EventLog(store)

    async def scenario() -> None:
        stream = asyncio.create_task(read(log))
        await asyncio.sleep(0.05)
        assert log._waiting
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)

    asyncio.run(scenario())
    assert not log._waiting
