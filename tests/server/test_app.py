"""The protocol over real HTTP."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image
from understudy.core.engines.catalog import CATALOG
from understudy.core.errors import InvalidClip, InvalidReference, InvalidRequest, UnderstudyError, from_json
from understudy.core.protocol import PROTOCOL, EventKind, Job
from understudy.core.version import VERSION


def picture(mode: str = "RGB", size: tuple[int, int] = (8, 8), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


def request_json(**settings) -> bytes:
    return json.dumps({"settings": {"width": 64, "height": 64, "steps": 2, **settings}}).encode()


def test_health_says_what_runs(server):
    said = server.client.get("/v1/health").json()
    assert (said["protocol"], said["version"]) == (PROTOCOL, VERSION)
    assert said["weights"] == str(server.data / "weights")
    assert said["worker"] in ("stopped", "starting", "idle", "busy")


def test_engines_are_those_of_the_catalogue(server):
    engines = server.client.get("/v1/engines").json()["engines"]
    weights = server.data / "weights"
    assert engines == [spec.to_json() | {"lacking": spec.lacking(weights)} for spec in CATALOG.values()]


def test_a_job_goes_from_queued_to_done_with_every_frame(server):
    job = server.submit(frames=3)
    events = list(server.events(job))
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    kinds = [event.kind for event in events if event.kind is not EventKind.PREVIEW]
    assert kinds == [EventKind.QUEUED, EventKind.STARTED, *2 * [EventKind.STEP], *3 * [EventKind.FRAME], EventKind.DONE]
    steps = [event.data for event in events if event.kind is EventKind.STEP]
    assert [(data["step"], data["steps"]) for data in steps] == [(1, 2), (2, 2)]
    assert all(data["eta"] >= 0 for data in steps)
    assert [event.data["frame"] for event in events if event.kind is EventKind.FRAME] == [0, 1, 2]

    done = Job.from_json(server.client.get(f"/v1/jobs/{job}").json())
    assert (done.state, done.frames_done, done.frames_total, done.error) == ("done", 3, 3, None)
    assert done.created <= done.started <= done.ended
    for index in range(3):
        response = server.client.get(f"/v1/jobs/{job}/frames/{index}")
        assert response.headers["Content-Type"] == "image/png"
        assert Image.open(io.BytesIO(response.content)).size == (64, 64)
    assert server.client.get(f"/v1/jobs/{job}/frames/3").status_code == 404


def test_the_same_seed_gives_the_same_files_and_another_seed_others(server):
    jobs = [server.submit(seed=seed) for seed in (1, 1, 2)]
    for job in jobs:
        server.wait_for(job, lambda event: event.kind is EventKind.DONE)
    first, again, other = (server.frames(job) for job in jobs)
    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_a_preview_can_be_seen(server):
    job = server.submit(frames=2, steps=4)
    events = list(server.events(job))
    assert any(event.kind is EventKind.PREVIEW for event in events)
    assert Image.open(io.BytesIO(server.client.get(f"/v1/jobs/{job}/preview").content)).mode == "RGB"


def test_the_same_key_is_the_same_job(server):
    first, second = server.submit(key="once"), server.submit(key="once")
    assert first == second
    assert server.submit(key="twice") != first


def test_jobs_are_listed_newest_first(server):
    jobs = [server.submit(), server.submit()]
    listed = [job["id"] for job in server.client.get("/v1/jobs").json()["jobs"]]
    assert listed[:2] == jobs[::-1]


def test_deleting_an_ended_job_forgets_it_and_its_files(server):
    job = server.submit()
    server.wait_for(job, lambda event: event.kind is EventKind.DONE)
    assert (server.data / "jobs" / job).exists()
    assert server.client.delete(f"/v1/jobs/{job}").json()["id"] == job
    assert server.client.get(f"/v1/jobs/{job}").status_code == 404
    assert server.client.get(f"/v1/jobs/{job}/frames/0").status_code == 404
    assert not (server.data / "jobs" / job).exists()


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_within_a_step(server):
    running = server.submit(frames=4, steps=900)
    queued = server.submit()
    assert server.client.delete(f"/v1/jobs/{queued}").json()["state"] == "cancelled"
    server.wait_for(running, lambda event: event.kind is EventKind.STEP and event.data["step"] >= 3)
    server.client.delete(f"/v1/jobs/{running}")
    last = list(server.events(running))[-1]
    assert last.kind is EventKind.CANCELLED
    assert server.state(running) == server.state(queued) == "cancelled"
    # The same worker goes on with the next job.
    assert list(server.events(server.submit()))[-1].kind is EventKind.DONE


def test_a_dropped_stream_goes_on_where_it_broke_off(server):
    job = server.submit(frames=6, steps=6)
    seen = []
    while not seen or not seen[-1].kind.ends_stream:
        stream = server.events(job, after=seen[-1].id if seen else 0)
        for _, event in zip(range(3), stream, strict=False):
            seen.append(event)
        stream.close()
    assert [event.id for event in seen] == list(range(1, len(seen) + 1))
    assert seen == list(server.events(job))
    assert list(server.events(job, after=seen[-1].id)) == []


def test_a_last_event_id_that_is_no_number_is_refused(server):
    job = server.submit()
    response = server.client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": "soon"})
    assert response.status_code == 400
    assert from_json(response.json()).__class__ is InvalidRequest


BAD_PARTS = {
    "no clip": ({"clip.npz": None}, InvalidRequest),
    "no request": ({"request.json": None}, InvalidRequest),
    "not JSON": ({"request.json": b"{"}, InvalidRequest),
    "JSON nested too deep": ({"request.json": b"[" * 100_000}, InvalidRequest),
    "JSON of another kind": ({"request.json": b"[]"}, InvalidRequest),
    "an unknown setting": ({"request.json": request_json(style="noir")}, InvalidRequest),
    "steps out of range": ({"request.json": request_json(steps=0)}, InvalidRequest),
    "a seed that is text": ({"request.json": request_json(seed="1")}, InvalidRequest),
    "a scheduler the engine has not": ({"request.json": request_json(scheduler="euler")}, InvalidRequest),
    "a size too large": ({"request.json": request_json(width=4096, height=4096)}, InvalidRequest),
    "a clip that is text": ({"clip.npz": b"hello"}, InvalidClip),
    "a reference that is text": ({"reference-Ann.png": b"hello"}, InvalidReference),
    "a reference cut off": ({"reference-Ann.png": picture(size=(64, 64))[:60]}, InvalidReference),
    "a reference too large": ({"reference-Ann.png": picture("1", (9000, 9000))}, InvalidReference),
    "a reference of an exotic format": ({"reference-Ann.png": picture(kind="TIFF")}, InvalidReference),
    "no reference": ({"reference-Ann.png": None}, InvalidReference),
    "a reference of a stranger": ({"reference-Bob.png": picture()}, InvalidReference),
    "an unknown part": ({"weights.pth": b"x"}, InvalidRequest),
}


@pytest.mark.parametrize("name", BAD_PARTS)
def test_bad_input_is_refused_by_name_before_anything_is_queued(server, name):
    changes, kind = BAD_PARTS[name]
    parts = {part: data for part, data in (server.parts() | changes).items() if data is not None}
    refused_and_nothing_queued(server, parts, kind)


def refused_and_nothing_queued(server, parts: dict[str, bytes], kind: type[UnderstudyError]) -> None:
    jobs = {job["id"] for job in server.client.get("/v1/jobs").json()["jobs"]}
    folders = set((server.data / "jobs").iterdir())
    response = server.post(parts)
    assert response.status_code == 400, response.text
    error = from_json(response.json())
    assert type(error) is kind
    assert error.message and error.remedy
    assert {job["id"] for job in server.client.get("/v1/jobs").json()["jobs"]} == jobs
    assert set((server.data / "jobs").iterdir()) == folders


def test_a_clip_with_nans_is_refused(server, clip_factory):
    clip = clip_factory(2)
    clip.points_cam[1, 0, 5] = np.nan
    refused_and_nothing_queued(server, server.parts() | {"clip.npz": clip.to_bytes()}, InvalidClip)


def test_a_pickled_clip_is_refused_unread(server, clip_factory):
    buffer = io.BytesIO()
    np.savez(buffer, points_cam=np.array([print], object), **dict.fromkeys(("visible", "intrinsics", "frames", "header"), 0))
    refused_and_nothing_queued(server, server.parts() | {"clip.npz": buffer.getvalue()}, InvalidClip)


def test_a_clip_that_claims_to_be_huge_is_refused(server, clip_factory):
    """By an array's own header, which the archive's sizes know nothing of."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**13,)})
    with (
        zipfile.ZipFile(io.BytesIO(clip_factory(2).to_bytes())) as whole,
        zipfile.ZipFile(lying := io.BytesIO(), "w") as archive,
    ):
        for name in whole.namelist():
            archive.writestr(name, header.getvalue() if name == "points_cam.npy" else whole.read(name))
    refused_and_nothing_queued(server, server.parts() | {"clip.npz": lying.getvalue()}, InvalidClip)


def test_a_part_given_twice_is_refused(server):
    parts = server.parts()
    files = [(name, (name, data)) for name, data in [*parts.items(), ("clip.npz", b"other")]]
    response = server.client.post("/v1/jobs", files=files)
    assert response.status_code == 400
    assert "twice" in response.json()["message"]


def test_an_unknown_engine_is_not_found(server):
    response = server.post(server.parts(engine="dalle"))
    assert (response.status_code, response.json()["error"]) == (404, "UnknownEngine")


def test_a_person_with_a_difficult_name_finds_its_reference(server, clip_factory):
    name = 'Zoë "Z"\n%'
    clip = dataclasses.replace(clip_factory(1), people=(name,))
    parts = server.parts() | {"clip.npz": clip.to_bytes()}
    body = parts.pop("reference-Ann.png")
    response = server.post(parts | {f"reference-{name}.png": body})
    assert response.status_code == 202, response.text


@pytest.mark.parametrize("path", ["/v1/jobs/none", "/v1/jobs/none/events", "/v1/jobs/none/frames/0", "/v1/jobs/none/preview"])
def test_an_unknown_job_is_not_found(server, path):
    response = server.client.get(path)
    assert (response.status_code, response.json()["error"]) == (404, "JobNotFound")


def test_an_unknown_address_is_told_as_json(server):
    response = server.client.get("/v2/jobs")
    assert response.status_code == 404
    assert type(from_json(response.json())) is InvalidRequest


def test_a_body_that_is_no_form_is_refused(server):
    response = server.client.post("/v1/jobs", content=b"{}", headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]) == (400, "InvalidRequest")


def test_a_broken_form_is_refused(server):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = server.client.post("/v1/jobs", content=b"--y nonsense", headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "InvalidRequest")
