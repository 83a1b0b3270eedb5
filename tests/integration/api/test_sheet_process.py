"""Sheets are read by a process of their own, and nobody who sends one notices."""

import os
import signal
import socket
from urllib.parse import urlsplit

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import server_process
from api.family import Family
from api.server_process import SheetProcess
from core.db.models import Batch
from core.db.models.columns import new_id
from tests.integration.api.conftest import api_process, connect, connections_at, family_of
from tests.integration.shop import poll

pytestmark = pytest.mark.own_database

SHEET = "sku,prompt\nA,a red mug\nB,a blue mug\n"
HALF, LENGTH = b'{"rows": [', 1000
FORM = {"file": ("mugs.csv", SHEET, "text/csv")}


@pytest.fixture
def api(environment, bundle, database):
    extra = {
        "PACKSHOT_MAX_UPLOAD_BYTES": "100000",
        "PACKSHOT_METRICS_TOKEN": "t0ken",
        "PACKSHOT_REQUESTS_PER_MINUTE": "1000",
    }
    with api_process(environment | extra, bundle) as process:
        yield process


@pytest.fixture
def client(api, database):
    with connect(database, api.url(), "shop") as client:
        yield client


def sheets_of(api) -> psutil.Process:
    (child,) = family_of(api, "api.sheet_server")
    return child


def seconds_of(process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def test_a_sheet_is_read_there_and_answered_as_any_request(api, client, shop):
    child = sheets_of(api)
    client.post("/v1/batches", files=FORM)
    ours, theirs = seconds_of(psutil.Process(api.popen.pid)), seconds_of(child)
    rows = [{"sku": f"S{number}", "prompt": f"mug {number}"} for number in range(1500)]
    answer = client.post("/v1/batches", json={"rows": rows}, headers={"X-Request-ID": "mine"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["total"] == 1500
    for name, value in (
        ("x-request-id", "mine"),
        ("location", answer.json()["links"]["self"]),
        ("content-type", "application/json"),
    ):
        assert answer.headers.get_list(name) == [value]
    for name in ("date", "server", "ratelimit", "content-length"):
        assert len(answer.headers.get_list(name)) == 1, name
    assert client.get(answer.headers["location"]).json()["total"] == 1500
    # No measure of speed: who did the work.
    assert seconds_of(child) - theirs > 3 * (seconds_of(psutil.Process(api.popen.pid)) - ours)


def test_refusals_are_the_same(client, shop):
    bad = client.post("/v1/batches", files={"file": ("a.csv", "sku,prompt\nA,\n", "text/csv")})
    assert (bad.status_code, bad.json()["errors"][0]["line"]) == (422, 2)
    assert bad.json()["request_id"] == bad.headers["x-request-id"]
    assert client.post("/v1/batches", content=b"?").status_code == 415
    nobody = client.post("/v1/batches", files=FORM, headers={"Authorization": "Bearer psk_no"})
    assert nobody.status_code == 401
    assert shop.all(Batch) == []


@pytest.mark.parametrize("announced", [True, False])
def test_what_is_too_large_is_refused_before_it_is_read(client, announced):
    pieces = [b"x" * 50_000] * 3
    answer = client.post(
        "/v1/batches",
        content=b"".join(pieces) if announced else iter(pieces),
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_sheet_that_comes_in_pieces_and_twice_is_done_once(client, shop):
    headers = {"Idempotency-Key": str(new_id()), "Content-Type": "application/json"}
    bodies = [b'{"rows": [', b'{"sku": "A", "prompt": "a red mug"}', b"]}"]
    first, second = (
        client.post("/v1/batches", content=iter(bodies), headers=headers) for _ in range(2)
    )
    assert first.status_code == second.status_code == 202
    assert second.headers["idempotency-replayed"] == "true"
    assert first.content == second.content
    assert len(shop.all(Batch)) == 1


def test_a_dry_run_is_one(client, shop):
    answer = client.post("/v1/batches", files=FORM, data={"dry_run": "true"})
    assert (answer.status_code, answer.json()["rows"]) == (200, 2)
    assert shop.all(Batch) == []


def test_it_is_counted_under_its_route(client):
    client.post("/v1/batches", files=FORM)
    text = client.get("/metrics", headers={"Authorization": "Bearer t0ken"}).text
    counted = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "packshot_http_requests_total" and sample.labels["method"] == "POST"
    }
    assert counted == {("/v1/batches", "202"): 1}


def begin_sheet(client) -> socket.socket:
    """Send the half of a sheet."""
    url = urlsplit(str(client.base_url))
    connection = socket.create_connection((url.hostname, url.port), timeout=60)
    head = (
        f"POST /v1/batches HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: {LENGTH}\r\n\r\n"
    )
    connection.sendall(head.encode() + HALF)
    return connection


def test_a_killed_one_is_said_to_be_and_comes_back(api, client, shop):
    assert client.post("/v1/batches", files=FORM).status_code == 202
    child = sheets_of(api)
    (listening,) = (one for one in child.net_connections("tcp") if one.status == "LISTEN")
    poll(lambda: not connections_at(child, listening.laddr.port))
    with begin_sheet(client) as connection:
        poll(lambda: connections_at(child, listening.laddr.port))
        child.kill()
        child.wait()
        connection.sendall(b" " * (LENGTH - len(HALF)))
        head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"Send the sheet again" in (body or connection.recv(65536))
    # Meanwhile too: it waits for the next one.
    assert client.get("/v1/batches").status_code == 200
    assert client.post("/v1/batches", files=FORM).status_code == 202
    assert sheets_of(api).pid != child.pid
    assert len(shop.all(Batch)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_api(api, client, number):
    client.post("/v1/batches", files=FORM)
    child = sheets_of(api)
    os.kill(api.popen.pid, number)
    api.popen.wait()
    poll(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("executable", ["/bin/false", "/nowhere/python"])
def test_one_that_cannot_start_is_said_so(monkeypatch, serve, settings, database, executable):
    monkeypatch.setattr(server_process.sys, "executable", executable)
    process = SheetProcess()
    client = serve(settings, family=Family(first=os.getpid(), sheets_port=process.port))
    process.start()
    try:
        answer = client.post("/v1/batches", files=FORM)
    finally:
        process.end(2.0)
    assert (answer.status_code, answer.json()["retry_helps"]) == (503, True)
    assert "does not start" in answer.json()["detail"]
    assert "log says why" in answer.json()["detail"]
    assert client.get("/v1/batches").status_code == 200
