from __future__ import annotations

import asyncio

from understudy.server.activity import Activity


def watched(
    has_work=lambda: False, idle_seconds: float = 0.2, request_seconds: float = 0.0, path: str = "/v1/jobs"
) -> float | None:
    """Seconds after which an activity with one open request stopped its server; None where it did not within 1 s."""

    async def app(scope, receive, send):
        await asyncio.sleep(request_seconds)

    async def scenario() -> float | None:
        stopped = asyncio.Event()
        activity = Activity(app, idle_seconds, has_work, stopped.set)
        request = asyncio.create_task(activity({"path": path}, None, None))
        watch = asyncio.create_task(activity.watch())
        began = asyncio.get_running_loop().time()
        try:
            await asyncio.wait_for(stopped.wait(), 1)
            return asyncio.get_running_loop().time() - began
        except TimeoutError:
            return None
        finally:
            request.cancel()
            watch.cancel()

    return asyncio.run(scenario())


def test_without_requests_or_work_it_stops():
    assert 0.2 <= watched() < 0.8


def test_an_open_stream_keeps_it_running_and_counts_until_its_end():
    assert watched(request_seconds=60) is None
    assert watched(request_seconds=0.4) >= 0.4 + 0.15


def test_work_keeps_it_running():
    assert watched(has_work=lambda: True) is None


def test_looking_at_it_does_not_keep_it_running():
    """A panel asks for health and engines as long as it is open."""
    for path in ("/v1/health", "/v1/engines"):
        assert watched(request_seconds=60, path=path) < 0.8
    assert watched(request_seconds=60, path="/v1/jobs") is None


def test_no_idle_time_means_never():
    assert watched(idle_seconds=0) is None
