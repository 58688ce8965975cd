"""Who may talk to the server: programs of this user on this machine that read the token, never a web page."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..core.errors import InvalidRequest, ServerStartFailed, Unauthorized, UnderstudyError
from .refusals import refusal

MAX_BODY_BYTES = 256 * 2**20
MAX_HEADER_BYTES = 16 * 2**10


def new_token() -> str:
    """256 random bits, for one start of the server."""
    return secrets.token_urlsafe(32)


def require_allowed_bind(host: str, remote_names: Collection[str]) -> None:
    """Raise `ServerStartFailed` for an address that other machines can reach, unless they are let in by name."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise ServerStartFailed(f"{host!r} is not an IP address to listen at.", "Leave --host out, or correct it.") from error
    if not loopback and not remote_names:
        raise ServerStartFailed(
            f"{host} can be reached from other machines.",
            "Leave --host out, or allow it with --remote-name NAME, the name those machines use.",
        )


def allowed_hosts(host: str, port: int, remote_names: Collection[str]) -> frozenset[str]:
    """The values of the Host header that mean the server at this address."""
    names = {"127.0.0.1", "localhost", f"[{host}]" if ":" in host else host, *remote_names}
    return frozenset(f"{name.lower()}:{port}" for name in names)


class Guard:
    """ASGI middleware: refuses, in this order, oversized headers, strange hosts, browsers, and whoever lacks the token."""

    def __init__(self, app: ASGIApp, token: str, hosts: frozenset[str]):
        self._app = app
        self._token = token.encode()
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            found = self._objection(scope["headers"])
            await (refusal(*found, hang_up=True) if found else self._app)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _objection(self, headers: list[tuple[bytes, bytes]]) -> tuple[UnderstudyError, int] | None:
        def values(name: bytes) -> list[bytes]:
            return [value for key, value in headers if key == name]

        # h11 has a limit of its own, but only for what arrives in pieces.
        if sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            return InvalidRequest(f"The request's headers are larger than {MAX_HEADER_BYTES // 2**10} KB."), 431
        hosts = values(b"host")
        if len(hosts) != 1:
            return InvalidRequest("The request must have one Host header."), 400
        # A page whose name was made to point here (DNS rebinding) still says its own name.
        if hosts[0].decode("latin-1").lower() not in self._hosts:
            return InvalidRequest("This server does not go by that name.", "Use the address that it was started with."), 421
        if any(key == b"origin" or key.startswith(b"sec-fetch-") for key, _ in headers):
            return Unauthorized("Web pages may not use this server.", "Use Blender, or the console command."), 403
        scheme, _, token = (values(b"authorization") or [b""])[0].partition(b" ")
        if scheme.lower() != b"bearer" or not secrets.compare_digest(token.strip(), self._token):
            return Unauthorized("The token is missing or wrong."), 401
        return None


class BodyTooLargeError(Exception):
    """Raised out of the reading of a body, and answered by the application's handler."""


class BodyLimit:
    """ASGI middleware: refuses a body that says it is larger than `limit` bytes, and stops one that turns out to be."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES):
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # h11 has checked that the header, where there is one, is a number.
        said = next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
        if said > self._limit:
            await body_too_large(self._limit)(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                raise BodyTooLargeError
            return message

        await self._app(scope, limited, send)


def body_too_large(limit: int = MAX_BODY_BYTES) -> Response:
    error = InvalidRequest(f"The request is larger than {limit / 2**20:.0f} MB.", "Make a shorter take.")
    return refusal(error, 413, hang_up=True)
