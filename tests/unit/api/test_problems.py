"""Mistakes of ours: what is answered, and what the log says of them."""

import io
import logging

import pytest
from sqlalchemy.exc import ProgrammingError
from starlette.requests import Request

from api import problems
from api.problems import answer_error


@pytest.fixture
def written(monkeypatch):
    """What is logged, whatever other tests made of the logging of this process."""
    stream = io.StringIO()
    logger = logging.Logger("alone")
    logger.addHandler(logging.StreamHandler(stream))
    monkeypatch.setattr(problems, "logger", logger)
    return stream


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [RuntimeError("two is not three"), KeyError("x"), ProgrammingError("s", {}, Exception())],
)
def test_a_mistake_is_logged_with_its_traceback_under_the_requests_id(written, error):
    request = Request(
        {"type": "http", "path": "/v1/jobs", "headers": [], "packshot.request_id": "r1"}
    )
    answer = answer_error(request, raised(error))

    assert answer.status_code == 500
    said = written.getvalue()
    assert "request r1 failed" in said
    assert "Traceback (most recent call last)" in said
    assert "in raised" in said
