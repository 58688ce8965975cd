"""How an error is told over HTTP: one table of statuses, one body."""

from __future__ import annotations

from starlette.responses import JSONResponse

from ..core import errors
from ..core.errors import UnderstudyError

# The nearest ancestor of an error's class decides.
STATUS: dict[type[UnderstudyError], int] = {
    errors.InputError: 400,
    errors.PoseError: 400,
    errors.UnknownEngine: 404,
    errors.EngineError: 400,
    errors.Unauthorized: 401,
    errors.QueueFull: 429,
    errors.JobNotFound: 404,
    errors.DiskFull: 507,
    UnderstudyError: 500,
}
_HEADERS: dict[type[UnderstudyError], dict[str, str]] = {
    errors.QueueFull: {"Retry-After": "30"},
    errors.Unauthorized: {"WWW-Authenticate": "Bearer"},
}


def refusal(error: UnderstudyError, status: int | None = None, hang_up: bool = False) -> JSONResponse:
    """The response that tells `error`, with its own status unless `status` says another.

    `hang_up` for a request whose body is not wanted: else the connection stays open for the rest of it.
    """
    if status is None:
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    headers = _HEADERS.get(type(error), {}) | ({"Connection": "close"} if hang_up else {})
    return JSONResponse(error.to_json(), status, headers)
