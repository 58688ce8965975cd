"""The HTTP side of `core.protocol`: routes that translate, and a refusal for everything else."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ..core.engines.catalog import CATALOG
from ..core.errors import InvalidRequest, UnderstudyError
from ..core.files import full_disk_named
from ..core.protocol import PROTOCOL, JobRequest, parse_json
from ..core.version import VERSION
from .jobs import Jobs, Submission
from .refusals import refusal
from .security import BodyTooLargeError, body_too_large
from .worker import Worker

logger = logging.getLogger(__name__)

MAX_PARTS = 64
_REFERENCE_PART = re.compile(r"reference-(?P<person>.+)\.png", re.DOTALL)

router = APIRouter(prefix="/v1")


def create_app(jobs: Jobs, worker: Worker) -> FastAPI:
    """The application, without its guards (`serve` puts them around it)."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.jobs = jobs
    app.state.worker = worker
    app.include_router(router)
    app.add_exception_handler(UnderstudyError, _on_understudy_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(BodyTooLargeError, _on_body_too_large)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_surprise)
    return app


def _jobs(request: Request) -> Jobs:
    return request.app.state.jobs


JobsHere = Annotated[Jobs, Depends(_jobs)]


@router.get("/health")
def health(request: Request, jobs: JobsHere) -> dict[str, Any]:
    worker: Worker = request.app.state.worker
    about = {"protocol": PROTOCOL, "version": VERSION, "weights": str(jobs.weights)}
    return about | {"worker": worker.state, "device": worker.device, "precision": worker.precision}


@router.get("/engines")
def engines(jobs: JobsHere) -> dict[str, Any]:
    return {"engines": [spec.to_json() | {"lacking": spec.lacking(jobs.weights)} for spec in CATALOG.values()]}


@router.post("/jobs", status_code=202)
async def submit(request: Request, jobs: JobsHere, idempotency_key: Annotated[str | None, Header()] = None) -> dict[str, Any]:
    key = idempotency_key or uuid.uuid4().hex
    if len(key) > 200:
        raise InvalidRequest("The Idempotency-Key is longer than 200 characters.")
    with full_disk_named("the request"):
        async with request.form(max_files=MAX_PARTS, max_fields=MAX_PARTS) as form:
            submission = await read_submission(form)
    return (await run_in_threadpool(jobs.submit, submission, key)).to_json()


@router.get("/jobs")
def list_jobs(jobs: JobsHere) -> dict[str, Any]:
    return {"jobs": [job.to_json() for job in jobs.store.jobs()]}


@router.get("/jobs/{job_id}")
def get_job(job_id: str, jobs: JobsHere) -> dict[str, Any]:
    return jobs.store.get(job_id).to_json()


@router.delete("/jobs/{job_id}")
def remove_job(job_id: str, jobs: JobsHere) -> dict[str, Any]:
    return jobs.remove(job_id).to_json()


@router.get("/jobs/{job_id}/events")
async def events(job_id: str, jobs: JobsHere, last_event_id: Annotated[int, Header(ge=0)] = 0) -> EventSourceResponse:
    await run_in_threadpool(jobs.store.get, job_id)

    async def stream() -> AsyncIterator[ServerSentEvent]:
        async for event in jobs.log.stream(job_id, last_event_id):
            yield ServerSentEvent(json.dumps(event.to_json()), id=str(event.id), event=event.kind.value)

    return EventSourceResponse(stream(), sep="\n")


@router.get("/jobs/{job_id}/frames/{index}")
def get_frame(job_id: str, index: int, jobs: JobsHere) -> FileResponse:
    return FileResponse(jobs.frame(job_id, index), media_type="image/png")


@router.get("/jobs/{job_id}/preview")
def get_preview(job_id: str, jobs: JobsHere) -> Response:
    # Read here: the file may be replaced by the next preview while it is being sent.
    return Response(jobs.preview(job_id).read_bytes(), media_type="image/png", headers={"Cache-Control": "no-store"})


async def read_submission(form: FormData) -> Submission:
    """The parts of a submission: `request.json`, `clip.npz`, and `reference-<person>.png` for each person of the clip.

    Raises `InvalidRequest`.
    """
    parts: dict[str, bytes] = {}
    for name, part in form.multi_items():
        if name in parts:
            raise InvalidRequest(f"The part {name!r} is there twice.")
        parts[name] = await part.read() if isinstance(part, UploadFile) else part.encode()
    if missing := {"request.json", "clip.npz"} - parts.keys():
        raise InvalidRequest(f"The request lacks the part {', '.join(sorted(missing))}.")
    request = JobRequest.from_json(parse_json(parts.pop("request.json")))
    clip = parts.pop("clip.npz")
    references = {}
    for name, data in parts.items():
        named = _REFERENCE_PART.fullmatch(name)
        if not named:
            raise InvalidRequest(f"The part {name!r} is not one of request.json, clip.npz and reference-<person>.png.")
        references[_unquoted(named["person"])] = data
    return Submission(request, clip, references)


def _unquoted(name: str) -> str:
    """The name of a form's part without the escapes that HTML prescribes for it."""
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _on_understudy_error(request: Request, error: UnderstudyError) -> Response:
    return refusal(error)


def _on_http_error(request: Request, error: HTTPException) -> Response:
    """What the framework refuses by itself: no such address, no such method, a body that is not multipart."""
    message = f"{request.method} {request.url.path}: {error.detail}."
    return refusal(InvalidRequest(message, "Use the same version of Understudy on both sides."), error.status_code)


def _on_validation_error(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    return refusal(InvalidRequest(f"{'.'.join(map(str, first['loc']))}: {first['msg']}."))


def _on_body_too_large(request: Request, error: BodyTooLargeError) -> Response:
    return body_too_large()


def _on_disconnect(request: Request, error: ClientDisconnect) -> Response:
    return refusal(InvalidRequest("The request ended in the middle."))


def _on_surprise(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return refusal(UnderstudyError(f"The server failed: {type(error).__name__}."))
