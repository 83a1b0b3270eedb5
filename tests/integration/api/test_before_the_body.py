"""Who may send is found out before a body is read, and clients may leave at any time."""

import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from prometheus_client import REGISTRY

from core.keys import create_key
from tests.integration.api.test_tenants import OPEN, operations
from tests.integration.shop import poll

LARGE = 60_000_000
JSON = "application/json"
FORM = "multipart/form-data; boundary=b"
OPENING = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nsku,prompt\r\n'
)


@contextmanager
def half(
    client: httpx.Client,
    path: str,
    *,
    method: str = "POST",
    kind: str = "application/json",
    **extra: str,
) -> Iterator[socket.socket]:
    """Open a connection and send the head of a request whose body does not come."""
    url = urlsplit(str(client.base_url))
    head = {
        "Host": url.netloc,
        "Content-Type": kind,
        "Content-Length": str(LARGE if path == "/v1/batches" else 1_000_000),
        **{name: value for name, value in client.headers.items() if name == "authorization"},
        **extra,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection((url.hostname, url.port), timeout=60) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
        yield connection


def status(connection: socket.socket) -> int:
    return int(connection.recv(65536).split(b" ", 2)[1])


@pytest.fixture
def sheets() -> Iterator[socket.socket]:
    """Where the service for sheets should be: it takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.fixture
def proxied(settings, sheets):
    return settings.model_copy(update={"sheets_url": f"http://127.0.0.1:{sheets.getsockname()[1]}"})


def test_without_a_key_no_body_is_waited_for(client):
    for authorization in ({}, {"authorization": "Bearer psk_wrong"}):
        client.headers.pop("authorization", None)
        for method, path in operations(client):
            if path in OPEN or method in ("GET", "DELETE"):
                continue
            filled = re.sub(r"{\w+}", str(uuid4()), path)
            with half(client, filled, method=method, **authorization) as connection:
                assert status(connection) == 401, path


@pytest.mark.parametrize("authorization", ["", "Bearer psk_wrong"])
def test_a_sheet_without_a_key_is_not_passed_on(serve, proxied, sheets, authorization):
    client = serve(proxied, tenant=None)
    with half(client, "/v1/batches", authorization=authorization) as connection:
        assert status(connection) == 401
    with pytest.raises(BlockingIOError):
        sheets.accept()


def test_a_sheet_of_a_key_that_may_not_or_sends_too_much_is_not_passed_on(
    serve, proxied, sheets, database
):
    client = serve(proxied, tenant=None)
    with database.session() as session:
        _, reader = create_key(session, "shop", scopes=["read"])
        _, busy = create_key(session, "shop", requests_per_minute=1)
    for key, expected in ((reader, [403]), (busy, [200, 429])):
        headers = {"authorization": f"Bearer {key}"}
        if len(expected) == 2:
            assert client.get("/v1/batches", headers=headers).status_code == 200
        with half(client, "/v1/batches", **headers) as connection:
            assert status(connection) == expected[-1]
    with pytest.raises(BlockingIOError):
        sheets.accept()


def test_a_client_that_sends_all_of_its_body_first_sees_why_it_was_refused(serve, proxied):
    client = serve(proxied, tenant=None)
    for _ in range(2):
        answer = client.post("/v1/batches", content=b"x" * LARGE)
        assert answer.status_code == 401
    answer = client.post("/v1/batches", content=b"x" * (proxied.max_upload_bytes + 1))
    assert answer.status_code == 413


def counted(**labels: str) -> float:
    return REGISTRY.get_sample_value("packshot_http_requests_total", labels) or 0.0


@pytest.fixture
def quiet(caplog) -> Callable[[str, str], None]:
    """Check afterwards that a client's leaving was counted as that, and is one INFO line."""
    caplog.set_level(logging.INFO)
    before: dict[str, float] = {}

    def check(route: str, method: str = "POST") -> None:
        labels = {"method": method, "route": route, "status": "499"}
        poll(lambda: counted(**labels) == before.get(route, 0.0) + 1)
        before[route] = counted(**labels)
        poll(lambda: any("the client left" in one.getMessage() for one in caplog.records))
        assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []
        caplog.clear()

    for route in ("/v1/batches", "/v1/jobs", "/v1/recipes", "/v1/batches/{batch_id}/images.zip"):
        for method in ("POST", "GET"):
            found = counted(method=method, route=route, status="499")
            before[route] = max(found, before.get(route, 0.0))
    return check


@pytest.mark.parametrize("extra", [{}, {"Idempotency-Key": "a"}])
@pytest.mark.parametrize(
    ("path", "kind", "begin"),
    [
        ("/v1/batches", JSON, b'{"rows": ['),
        ("/v1/batches", FORM, OPENING),
        ("/v1/jobs", JSON, b'{"prompt":'),
        ("/v1/recipes", JSON, b'{"name":'),
    ],
)
def test_who_leaves_while_sending_is_no_error(serve, settings, quiet, path, kind, begin, extra):
    client = serve(settings)
    with half(client, path, kind=kind, **extra) as connection:
        connection.sendall(begin)
        time.sleep(0.2)
    quiet(path)


def test_who_leaves_while_sending_a_sheet_that_is_passed_on_is_no_error(
    serve, proxied, sheets, quiet
):
    client = serve(proxied)
    sheets.setblocking(True)
    with half(client, "/v1/batches") as connection, closing(sheets.accept()[0]) as theirs:
        connection.sendall(b'{"rows": [')
        theirs.settimeout(60)
        assert theirs.recv(65536).startswith(b"POST /v1/batches")
        connection.close()
        while theirs.recv(65536):
            pass  # until it is closed there, too
    quiet("/v1/batches")


def test_who_leaves_in_a_download_is_no_error(serve, settings, send, worker, quiet):
    client = serve(settings)
    batch = send(client, "sku,prompt\n" + "".join(f"{n},mug {n}\n" for n in range(12)))
    for job in client.get(batch["links"]["items"]).json()["items"]:
        worker.make(job["id"], b"\x89PNG" + b"x" * 1_000_000)
    url = urlsplit(str(client.base_url))
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((url.hostname, url.port))
        connection.sendall(
            f"GET /v1/batches/{batch['id']}/images.zip HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {client.headers['authorization']}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    quiet("/v1/batches/{batch_id}/images.zip", "GET")


def test_a_bug_is_an_error_also_where_the_client_has_left(serve, settings, caplog, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        time.sleep(0.5)
        raise KeyError("ours")

    monkeypatch.setattr("api.routes.batches.list_batches", broken)
    client = serve(settings)
    with half(client, "/v1/batches", method="GET", **{"Content-Length": "0"}):
        time.sleep(0.2)
    poll(lambda: any(one.levelno >= logging.ERROR for one in caplog.records))
