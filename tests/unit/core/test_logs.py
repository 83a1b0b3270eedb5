"""What a line of the log looks like, and what is kept out of it."""

import json
import logging

import httpx
import pytest
import structlog

from core import logs


@pytest.fixture(autouse=True)
def _put_back():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configured = structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.configure(**configured)


def test_json_lines_have_what_is_bound_whoever_writes_them(capsys):
    logs.configure("INFO", "json")
    with structlog.contextvars.bound_contextvars(generation="g1"):
        structlog.get_logger("ours").info("image stored", seconds=2)
        logging.getLogger("a.library").warning("%s is slow", "S3")
    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ours["message"], ours["seconds"], ours["level"]) == ("image stored", 2, "info")
    assert (theirs["message"], theirs["logger"]) == ("S3 is slow", "a.library")
    assert ours["generation"] == theirs["generation"] == "g1"
    assert ours["timestamp"].endswith("Z")


def test_lines_for_people_are_no_json_and_show_no_local_values(capsys):
    logs.configure("INFO", "console")

    def draw(prompt: str) -> None:
        raise ValueError("no")

    try:
        draw("giz" + "mo")
    except ValueError:
        logging.getLogger("ours").exception("failed")
    said = capsys.readouterr().err
    assert "failed" in said
    assert "ValueError: no" in said
    assert "gizmo" not in said


def test_an_exception_is_one_line_of_json(capsys):
    logs.configure("INFO", "json")
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("ours").exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: no" in json.loads(line)["exception"]


def test_addresses_that_are_called_are_not_logged(capsys):
    logs.configure("INFO", "json")
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    with httpx.Client(transport=transport) as client:
        client.get("https://hooks.example/secret-path")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/files/c0ffee/web/Jane-Doe-1.webp", "/files/…"),
        ("/v1/recipes/for-jane-doe/versions/1", "/v1/recipes/…"),
        ("/v1/recipes?cursor=for-jane-doe", "/v1/recipes"),
        ("/v1/jobs/01a2", "/v1/jobs/01a2"),
    ],
)
def test_no_name_that_people_gave_is_in_the_line_of_a_request(path, written, capsys):
    logs.configure("INFO", "json")
    line = '%s - "%s %s HTTP/%s" %d'
    logging.getLogger("uvicorn.access").info(line, "127.0.0.1:1", "GET", path, "1.1", 200)
    said = json.loads(capsys.readouterr().err)
    assert said["message"] == f'127.0.0.1:1 - "GET {written} HTTP/1.1" 200'
