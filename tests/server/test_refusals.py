from __future__ import annotations

import json

import pytest
from understudy.core import errors
from understudy.server.refusals import refusal


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.InvalidClip, 400), (errors.InvalidReference, 400), (errors.InvalidRequest, 400), (errors.UnknownEngine, 404),
        (errors.Unauthorized, 401), (errors.JobNotFound, 404), (errors.QueueFull, 429), (errors.DiskFull, 507),
        (errors.WorkerDied, 500), (errors.UnderstudyError, 500),
    ],
)  # fmt: skip
def test_an_error_arrives_as_the_same_error(kind, status):
    error = kind("It happened.", "Do this.")
    response = refusal(error)
    assert response.status_code == status
    told = errors.from_json(json.loads(response.body))
    assert (type(told), told.message, told.remedy) == (kind, "It happened.", "Do this.")


def test_a_full_queue_says_when_and_a_missing_token_how():
    assert int(refusal(errors.QueueFull("Full.")).headers["Retry-After"]) > 0
    assert refusal(errors.Unauthorized("No.")).headers["WWW-Authenticate"] == "Bearer"


def test_hanging_up_is_asked_for():
    assert refusal(errors.InvalidRequest("No."), 413, hang_up=True).headers["Connection"] == "close"
    assert "Connection" not in refusal(errors.InvalidRequest("No.")).headers
