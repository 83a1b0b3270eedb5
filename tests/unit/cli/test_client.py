"""The HTTP client: what it sends, and what it makes of answers."""

from pathlib import Path

import httpx
import pytest

from cli.client.http import Client
from cli.errors import RefusedError, UnreachableError, UsageError
from tests.unit.cli.server import KEY, FakeServer, Job


def connect(server: FakeServer, *, key: str | None = KEY, patience: float = 0) -> Client:
    return Client("http://shop.test/", key, patience=patience, transport=server.transport)


def test_a_sheet_is_sent_with_its_fields(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("sku,prompt\nMUG,a red mug\n")
    server = FakeServer([Job("MUG")])
    batch = connect(server).submit(sheet, {"variants": 2, "template": "a {{kind}}"})
    assert (batch.id, batch.total, batch.finished) == ("b1", 1, 1)
    body = server.requests[0].read().decode()
    assert 'name="file"; filename="sheet.csv"' in body
    assert "Content-Type: text/csv" in body
    assert 'name="template"\r\n\r\na {{kind}}' in body
    assert 'name="variants"\r\n\r\n2' in body


def test_a_retry_is_asked_for_once() -> None:
    server = FakeServer([Job("MUG", state="queued")])
    assert connect(server).retry("b1").id == "b1"
    (request,) = server.requests
    assert (request.method, request.url.path) == ("POST", "/v1/batches/b1/retry")


def test_every_bad_row_is_named() -> None:
    server = FakeServer([])
    errors = [{"line": 3, "column": "steps", "message": "is not a number"}] * 25
    problem = {"detail": "The sheet has bad rows.", "errors": errors}
    server.intercept = lambda _: httpx.Response(422, json=problem)
    with pytest.raises(RefusedError) as caught:
        connect(server).batch("b1")
    assert caught.value.detail.startswith("http://shop.test: The sheet has bad rows.")
    assert "\n  line 3, column steps: is not a number" in caught.value.detail
    assert caught.value.detail.endswith("and 5 more")


def test_an_answer_that_is_no_problem_document_is_told_as_it_is() -> None:
    server = FakeServer([])
    server.intercept = lambda _: httpx.Response(500, text="<html>proxy</html>")
    with pytest.raises(RefusedError, match="HTTP 500 Internal Server Error"):
        connect(server).batch("b1")


def test_reading_goes_on_when_the_server_comes_back() -> None:
    server = FakeServer([Job("MUG")])
    answers = iter([httpx.Response(503, json={"detail": "restarting"}), None, None])

    def away(request: httpx.Request) -> httpx.Response | None:
        answer = next(answers)
        if answer is None and len(server.requests) == 2:
            raise httpx.ConnectError("refused")
        return answer

    server.intercept = away
    assert connect(server, patience=30).batch("b1").total == 1
    assert len(server.requests) == 3


def test_sending_is_not_repeated(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("sku,prompt\n")
    server = FakeServer([])

    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow")

    server.intercept = away
    with pytest.raises(UnreachableError, match=r"No packshot answers at http://shop\.test"):
        connect(server, patience=30).submit(sheet, {})
    assert len(server.requests) == 1


def test_a_key_is_accepted_or_not() -> None:
    server = FakeServer([])
    assert connect(server).accepts_key()
    assert not connect(server, key="psk_wrong").accepts_key()


def test_a_wrong_key_is_no_reason_to_wait() -> None:
    server = FakeServer([])
    with pytest.raises(RefusedError, match="Send an API key"):
        connect(server, key=None, patience=30).batch("b1")
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://shop.test", "http://"])
def test_a_url_must_be_one(url: str) -> None:
    with pytest.raises(UsageError, match="is not a URL like"):
        Client(url, KEY)
