"""Requests that no client writes: each is answered or cut off, none with a 5xx, none for ever."""

import re
import socket

import pytest
from pydantic import SecretStr

LONGEST_SECONDS = 20


@pytest.fixture
def send(client):
    """Write bytes to the server, and return the status of its answer; None: it hangs up."""
    port = client.base_url.port

    def send(content: bytes, *, whole: bool = True) -> int | None:
        with socket.create_connection(("127.0.0.1", port), timeout=LONGEST_SECONDS) as connection:
            received = b""
            try:
                connection.sendall(content)
                if not whole:
                    # What was announced and is missing never comes.
                    connection.shutdown(socket.SHUT_WR)
                while b"\r\n\r\n" not in received and (part := connection.recv(65536)):
                    received += part
            except (ConnectionResetError, BrokenPipeError):
                pass
        found = re.match(rb"HTTP/1\.1 (\d+)", received)
        return int(found[1]) if found else None

    return send


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1") + body


JSON = "Content-Type: application/json"
GET = "GET /v1/batches"
POST = "POST /v1/jobs"


@pytest.mark.parametrize(
    ("line", "headers", "body"),
    [
        (POST, [JSON, "Content-Length: 5", "Content-Length: 6"], b"helloX"),
        (POST, [JSON, "Content-Length: 4", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        (
            "POST /v1/batches",
            [JSON, "Content-Length: 4", "Transfer-Encoding: chunked"],
            b"0\r\n\r\n",
        ),
        (POST, [JSON, "Content-Length: 1"], b'{"prompt": "a red mug"}'),
        (POST, [JSON, "Content-Length: -1"], b""),
        (POST, [JSON, "Content-Length: +5"], b"hello"),
        (POST, [JSON, "Content-Length: 99999999999999999999"], b""),
        ("POST /v1/batches", [JSON, "Content-Length: 99999999999999999999"], b""),
        (POST, [JSON, "Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
        (POST, [JSON, "Transfer-Encoding: chunked"], b"zz\r\n{}\r\n"),
        (POST, [JSON, "Content-Encoding: gzip", "Content-Length: 2"], b"\x1f\x8b"),
        (POST, ["Content-Type: application/json; charset=klingon", "Content-Length: 2"], b"{}"),
        (POST, [JSON, "Content-Length: 100000"], b"[" * 100000),
        (POST, [JSON, "Content-Length: 15"], b'{"prompt":"\xff\xfe"}'),
        (GET, ["X-Request-ID: " + "x" * 5000], b""),
        (GET, ["X-Request-ID: a", "X-Request-ID: b"], b""),
        (GET, ["If-None-Match: *", "Range: bytes=0-", "Accept: application/xml"], b""),
        (GET, ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"], b""),
        (GET, ["X-Forwarded-For: 1.2.3.4, a", "X-Forwarded-Proto: gopher"], b""),
        ("GET /" + "a" * 3000, [], b""),
        ("GET /v1/batches?cursor=%00", [], b""),
        ("GET /v1/batches?limit=1&limit=2", [], b""),
        ("GET /v1/jobs/%00/image", [], b""),
        ("GET /files/%00/web/a.webp", [], b""),
        ("GET /v1/recipes/%ff", [], b""),
        ("GET http://evil/healthz", [], b""),
        ("TRACE /v1/batches", [], b""),
        ("OPTIONS *", [], b""),
        ("CONNECT evil:443", [], b""),
        ("BREW /v1/batches", [], b""),
        ("PRI *", [], b""),
    ],
)
def test_what_no_client_writes_is_refused(client, send, line, headers, body):
    key = f"Authorization: {client.headers['Authorization']}"
    assert 200 <= send(request(line, key, *headers, body=body)) < 500
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches"])
@pytest.mark.parametrize(
    ("header", "body"),
    [("Content-Length: 500", b"{}"), ("Transfer-Encoding: chunked", b"2\r\n{}\r\n")],
)
def test_a_body_that_ends_too_early_ends_its_connection(client, send, path, header, body):
    key = f"Authorization: {client.headers['Authorization']}"
    status = send(request(f"POST {path}", key, JSON, header, body=body), whole=False)
    assert status is None or 400 <= status < 500
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        (GET, ["Authorization: {0}", "Authorization: {0}"]),
        (GET, ["Authorization: {0}", "Authorization: Bearer psk_other"]),
        (GET, ["Authorization: Basic eDp5", "Authorization: {0}"]),
        (
            "POST /v1/callbacks/secret",
            ["Authorization: {0}", "Idempotency-Key: a", "Idempotency-Key: b"],
        ),
    ],
)
def test_a_header_that_must_stand_alone_is_refused_twice(client, send, line, headers):
    filled = [one.format(client.headers["Authorization"]) for one in headers]
    assert send(request(line, *filled, "Content-Length: 0")) == 422


def test_what_callers_make_up_makes_no_series_of_metrics(serve, settings):
    client = serve(settings.model_copy(update={"metrics_token": SecretStr("t0ken")}))
    for number in range(20):
        client.get(f"/nothing/{number}")
        client.request("PROPFIND", f"/v1/batches/{number}")
        client.request("PROPFIND", f"/nothing/{number}")
    text = client.get("/metrics", headers={"Authorization": "Bearer t0ken"}).text
    assert "PROPFIND" not in text
    assert "nothing" not in text
    assert 'method="other",route="/v1/batches/{batch_id}",status="405"' in text
    assert 'method="other",route="other",status="404"' in text
