"""HTTP to one inference server, standard library only. Blocking: called from threads, never from Blender's main thread."""

from __future__ import annotations

import functools
import http.client
import json
import urllib.error
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    UnknownHandler,
)

from ..core.errors import JobFailed, ServerUnreachable, Unauthorized, UnderstudyError, from_json
from ..core.protocol import Job, JobRequest

TIMEOUT = 10.0
UPLOAD_TIMEOUT = 120.0
STREAM_TIMEOUT = 45.0  # the server sends a comment every 15 s, so a silence this long is a lost connection


@functools.cache
def _opener(https: bool) -> OpenerDirector:
    """No proxy, and no redirects: the token is for this server alone.

    Kept, and https only for who needs it: reading the system's certificates holds Python's lock for 20 ms, in which
    Blender's main thread would stand still too.
    """
    kinds = [UnknownHandler, HTTPHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor]
    opener = OpenerDirector()
    for kind in [*kinds, HTTPSHandler] if https else kinds:
        opener.add_handler(kind())
    return opener


@dataclass(frozen=True)
class Client:
    """One server's address and token.

    Every method raises `ServerUnreachable`, `Unauthorized`, or the error that the server refused with.
    """

    url: str
    token: str

    def health(self, timeout: float = TIMEOUT) -> dict:
        return self._json("GET", "/v1/health", timeout=timeout)

    def engines(self) -> list[dict]:
        return self._json("GET", "/v1/engines")["engines"]

    def submit(self, request: JobRequest, clip: bytes, references: Mapping[str, bytes], key: str) -> Job:
        """Queue one job. `references` are pictures by the clip's names; the same `key` twice is the same job."""
        parts = [
            ("request.json", "application/json", json.dumps(request.to_json()).encode()),
            ("clip.npz", "application/octet-stream", clip),
            *((f"reference-{person}.png", "application/octet-stream", data) for person, data in references.items()),
        ]
        body, content_type = multipart(parts)
        headers = {"Content-Type": content_type, "Idempotency-Key": key}
        return Job.from_json(self._json("POST", "/v1/jobs", body, headers, UPLOAD_TIMEOUT))

    def job(self, job: str) -> Job:
        return Job.from_json(self._json("GET", f"/v1/jobs/{job}"))

    def jobs(self) -> list[Job]:
        """Newest first."""
        return [Job.from_json(entry) for entry in self._json("GET", "/v1/jobs")["jobs"]]

    def cancel(self, job: str) -> Job:
        return Job.from_json(self._json("DELETE", f"/v1/jobs/{job}"))

    def frame(self, job: str, number: int) -> bytes:
        return self._read("GET", f"/v1/jobs/{job}/frames/{number}")

    def preview(self, job: str) -> bytes:
        return self._read("GET", f"/v1/jobs/{job}/preview")

    def open_events(self, job: str, after: int) -> http.client.HTTPResponse:
        """The event stream, from the event after number `after`. Close it."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(after)} if after else {})
        return self._open("GET", f"/v1/jobs/{job}/events", None, headers, STREAM_TIMEOUT)

    def _json(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None, timeout: float = TIMEOUT):
        data = self._read(method, path, body, headers, timeout)
        try:
            return json.loads(data)
        except ValueError as error:
            raise self.unreachable("its answer is not JSON") from error

    def _read(
        self, method: str, path: str, body: bytes | None = None, headers: dict | None = None, timeout: float = TIMEOUT
    ) -> bytes:
        with self._open(method, path, body, headers or {}, timeout) as response:
            try:
                return response.read()
            except (OSError, http.client.HTTPException) as error:
                raise self.unreachable(error) from error

    def _open(self, method: str, path: str, body: bytes | None, headers: dict, timeout: float) -> http.client.HTTPResponse:
        try:
            request = Request(self.url.rstrip("/") + path, body, headers, method=method)
            request.add_header("Authorization", f"Bearer {self.token}")
            return _opener(self.url.startswith("https")).open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self.unreachable(error) from error

    def unreachable(self, reason: object) -> ServerUnreachable:
        return ServerUnreachable(f"The server at {self.url} does not answer ({getattr(reason, 'reason', reason)}).")

    def _refusal(self, response: urllib.error.HTTPError) -> UnderstudyError:
        """The error that a refusal's body describes, or one made of its status where another program answered."""
        try:
            data = json.loads(response.read())
            if "error" in data and "message" in data:
                return from_json(data)
        except (OSError, ValueError, TypeError, http.client.HTTPException):
            pass  # not one of our server's refusals: judged by its status below
        if response.code in (401, 403):
            return Unauthorized(f"The server at {self.url} refuses the token.")
        return JobFailed(
            f"The server at {self.url} answered {response.code} {response.reason}.",
            "Check the address in the add-on's preferences.",
        )


def multipart(parts: Iterable[tuple[str, str, bytes]]) -> tuple[bytes, str]:
    """(name, content type, data) as a `multipart/form-data` body and its content type; each part is a file of its name."""
    boundary = uuid.uuid4().hex
    chunks = []
    for name, content_type, data in parts:
        # As browsers quote names.
        quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{quoted}"; filename="{quoted}"\r\n'
            f"Content-Type: {content_type}\r\n\r\n"
        )
        chunks += [head.encode(), data, b"\r\n"]
    chunks.append(f"--{boundary}--\r\n".encode())
    return b"".join(chunks), f"multipart/form-data; boundary={boundary}"
