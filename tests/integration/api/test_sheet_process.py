"""Sheets are read by a service of their own, and nobody who sends one notices."""

import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.db.models import Batch
from core.db.models.columns import new_id
from local.infrastructure import DATABASE
from local.ports import free_port
from tests.integration.api.conftest import (
    api_process,
    connect,
    connections_at,
    describe_bundle,
)
from tests.integration.api.test_photograph_check import jpeg
from tests.integration.shop import poll
from tests.support.photograph_server import HERE, serving

SHEET = "sku,prompt\nA,a red mug\nB,a blue mug\n"
HALF, LENGTH = b'{"rows": [', 1000
FORM = {"file": ("mugs.csv", SHEET, "text/csv")}


@pytest.fixture(scope="module")
def environment(services, tmp_path_factory):
    """A database and settings for all tests here: each process takes seconds to start."""
    services.postgres.create_database("sheets", template=DATABASE)
    services.valkey.flush()
    yield services.environment | {
        "PACKSHOT_DATABASE_URL": services.postgres.url("sheets"),
        "PACKSHOT_HOME": str(tmp_path_factory.mktemp("home")),
        "PACKSHOT_API_PROCESSES": "1",
        "PACKSHOT_MAX_UPLOAD_BYTES": "100000",
        "PACKSHOT_METRICS_TOKEN": "t0ken",
        "PACKSHOT_REQUESTS_PER_MINUTE": "1000",
        "PACKSHOT_OUTBOUND_ALLOW": HERE,
        "PACKSHOT_OUTBOUND_PORTS": "1-65535",
    }
    services.postgres.drop_database("sheets")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("described") / "bundle"
    describe_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def sheets(environment, bundle):
    with api_process(environment, bundle, module="api.sheets") as process:
        yield process


@pytest.fixture(scope="module")
def api(environment, bundle, sheets):
    with api_process(environment | at(sheets), bundle) as process:
        sheets.url()
        process.url()
        yield process


def at(sheets) -> dict[str, str]:
    return {"PACKSHOT_SHEETS_URL": f"http://127.0.0.1:{sheets.port}"}


@pytest.fixture
def client(api, database):
    with connect(database, api.url(), "shop") as client:
        yield client


@pytest.fixture
def batches(shop):
    """Count the batches that a test has made."""
    before = len(shop.all(Batch))
    return lambda: len(shop.all(Batch)) - before


def seconds_of(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(one.user + one.system for one in times)


def test_a_sheet_is_read_there_and_answered_as_any_request(api, sheets, client, shop):
    client.post("/v1/batches", files=FORM)
    ours, theirs = seconds_of(api.workers), seconds_of(sheets.readers)
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
    assert seconds_of(sheets.readers) - theirs > 3 * (seconds_of(api.workers) - ours)


def test_it_is_reached_from_all_processes_of_the_api(environment, bundle, database, sheets):
    two = {"PACKSHOT_API_PROCESSES": "2"}
    with api_process(environment | at(sheets) | two, bundle) as api:
        url = api.url()
        sheets.url()
        poll(lambda: len(api.workers) == 2)
        for process, other in (api.workers, api.workers[::-1]):
            other.suspend()
            try:
                with connect(database, url, "shop") as client:
                    form = {"file": ("mugs.csv", f"sku,prompt\nA,mug {process.pid}\n", "text/csv")}
                    answer = client.post("/v1/batches", files=form)
            finally:
                other.resume()
            assert (answer.status_code, answer.json()["total"]) == (202, 1)


def test_refusals_are_the_same(client, batches):
    bad = client.post("/v1/batches", files={"file": ("a.csv", "sku,prompt\nA,\n", "text/csv")})
    assert (bad.status_code, bad.json()["errors"][0]["line"]) == (422, 2)
    assert bad.json()["request_id"] == bad.headers["x-request-id"]
    assert client.post("/v1/batches", content=b"?").status_code == 415
    nobody = client.post("/v1/batches", files=FORM, headers={"Authorization": "Bearer psk_no"})
    assert nobody.status_code == 401
    assert batches() == 0


@pytest.mark.parametrize("announced", [True, False])
def test_what_is_too_large_is_refused_before_it_is_read(client, announced):
    pieces = [b"x" * 50_000] * 3
    answer = client.post(
        "/v1/batches",
        content=b"".join(pieces) if announced else iter(pieces),
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_sheet_that_comes_in_pieces_and_twice_is_done_once(client, batches):
    headers = {"Idempotency-Key": str(new_id()), "Content-Type": "application/json"}
    bodies = [b'{"rows": [', b'{"sku": "A", "prompt": "a red mug"}', b"]}"]
    first, second = (
        client.post("/v1/batches", content=iter(bodies), headers=headers) for _ in range(2)
    )
    assert first.status_code == second.status_code == 202
    assert second.headers["idempotency-replayed"] == "true"
    assert first.content == second.content
    assert batches() == 1


def test_a_dry_run_is_one(client, batches):
    answer = client.post("/v1/batches", files=FORM, data={"dry_run": "true"})
    assert (answer.status_code, answer.json()["rows"]) == (200, 2)
    assert batches() == 0


def counted(client) -> Counter[tuple[str, str]]:
    """Count the answers to requests that send something, by their route and status."""
    text = client.get("/metrics", headers={"Authorization": "Bearer t0ken"}).text
    return Counter({
        (sample.labels["route"], sample.labels["status"]): int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "packshot_http_requests_total" and sample.labels["method"] == "POST"
    })  # fmt: skip


def test_a_dry_run_fetches_photographs_within_the_bounds_of_its_process(client, batches):
    paths = [f"/{number}.jpg" for number in range(20)]
    with serving() as server:
        for number, path in enumerate(paths):
            server.says(path, body=jpeg(40 + number, 40))
        rows = [f"S{path},{server.url(path, HERE)}\n" for path in paths]
        sheet = "sku,image\n" + "".join(rows)
        form = {"dry_run": "true", "mode": "cutout", "check_photographs": "100"}
        answer = client.post("/v1/batches", files={"file": ("a.csv", sheet)}, data=form)
    check = answer.json()["photograph_check"]
    assert (check["addresses"], check["found"], check["failures"]) == (20, 20, [])
    assert sorted(server.paths()) == sorted(paths)
    assert batches() == 0


def test_it_is_counted_under_its_route(client):
    before = counted(client)
    client.post("/v1/batches", files=FORM)
    assert counted(client) - before == {("/v1/batches", "202"): 1}


@contextmanager
def half_a_sheet(client, sheets) -> Iterator[socket.socket]:
    """Send the half of a sheet, which the service for sheets has begun to read."""
    url, process = urlsplit(str(client.base_url)), psutil.Process(sheets.popen.pid)
    poll(lambda: not connections_at(process, sheets.port))
    head = (
        f"POST /v1/batches HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: {LENGTH}\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port), timeout=60) as connection:
        connection.sendall(head.encode() + HALF)
        poll(lambda: connections_at(process, sheets.port))
        yield connection


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_killed_service_is_said_to_be_and_its_sheet_is_taken_later(
    environment, bundle, database, batches
):
    """On processes of its own, and for a tenant that has no batch yet."""
    with ExitStack() as stack:
        sheets = stack.enter_context(api_process(environment, bundle, module="api.sheets"))
        api = stack.enter_context(api_process(environment | at(sheets), bundle))
        sheets.url()
        client = stack.enter_context(connect(database, api.url(), "another-shop"))
        kill_and_replace(environment, bundle, sheets, client)
    assert batches() == 1


def kill_and_replace(environment, bundle, sheets, client) -> None:
    poll(lambda: sheets.readers)
    readers = sheets.readers
    with half_a_sheet(client, sheets) as connection:
        sheets.popen.kill()
        sheets.popen.wait()
        # Nobody is left to read for it.
        poll(lambda: all(map(has_ended, readers)))
        connection.sendall(b" " * (LENGTH - len(HALF)))
        head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"log says why, under the request id" in (body or connection.recv(65536))
    key = {"Idempotency-Key": str(new_id())}
    refused = client.post("/v1/batches", files=FORM, headers=key)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert refused.json()["retry_helps"]
    assert client.get("/v1/batches").json()["items"] == []
    with api_process(environment, bundle, port=sheets.port, module="api.sheets") as again:
        again.url()
        assert client.post("/v1/batches", files=FORM, headers=key).status_code == 202
        repeated = client.post("/v1/batches", files=FORM, headers=key)
    assert repeated.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("listens", [False, True])
def test_a_service_that_is_not_there_is_said_not_to_be(serve, settings, listens, caplog):
    port = free_port()
    with ExitStack() as stack:
        if listens:
            # It takes no connection, and its queue is full.
            full = socket.create_server(("127.0.0.1", port), backlog=0)
            stack.enter_context(full)
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        url = f"http://127.0.0.1:{port}"
        client = serve(settings.model_copy(update={"sheets_url": url}))
        answer = client.post("/v1/batches", files=FORM)
        assert (answer.status_code, answer.json()["retry_helps"]) == (503, True)
        assert url not in answer.text
        assert "log says why, under the request id" in answer.json()["detail"]
        assert f"{url} does not answer" in caplog.text
        assert client.get("/v1/batches").status_code == 200


@pytest.fixture
def stopped(sheets):
    """The service for sheets, stopped by SIGSTOP: its kernel goes on to take connections."""
    sheets.url()
    process = psutil.Process(sheets.popen.pid)
    process.suspend()
    yield sheets
    process.resume()


def test_a_service_that_is_stopped_is_given_up_in_a_sentence(serve, settings, stopped, monkeypatch):
    monkeypatch.setattr("api.middleware.sheet_proxy.CHECK_SECONDS", 0.5)
    monkeypatch.setattr("api.middleware.sheet_proxy.SILENCE_SECONDS", 1.0)
    client = serve(settings.model_copy(update={"sheets_url": at(stopped)["PACKSHOT_SHEETS_URL"]}))
    answer = client.post("/v1/batches", files=FORM)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"].startswith("A service that packshot needs does not answer")
    assert client.get("/v1/batches").status_code == 200


def test_a_client_of_a_stopped_service_that_leaves_ends_the_wait(serve, settings, stopped):
    client = serve(settings.model_copy(update={"sheets_url": at(stopped)["PACKSHOT_SHEETS_URL"]}))

    def waits() -> bool:
        own = psutil.Process().net_connections("tcp")
        return any(one.raddr and one.raddr.port == stopped.port for one in own)

    with ThreadPoolExecutor() as pool:
        sent = pool.submit(client.post, "/v1/batches", files=FORM, timeout=3)
        poll(waits)
        with pytest.raises(httpx.ReadTimeout):
            sent.result()
    poll(lambda: not waits())


def test_an_api_without_the_service_has_processes_of_its_own(environment, bundle, database):
    patient = environment | {"PACKSHOT_GRACE_SECONDS": "120"}
    with ExitStack() as stack:
        api = stack.enter_context(api_process(patient, bundle))
        client = stack.enter_context(connect(database, api.url(), "shop-alone"))
        assert api.readers == []
        assert client.post("/v1/batches", files=FORM).status_code == 202
        assert len(api.readers) == 1
        bad = {"file": ("mugs.csv", "sku,prompt\nA,\n", "text/csv")}
        assert client.post("/v1/batches", files=bad).status_code == 422
        assert counted(client) == {("/v1/batches", "202"): 1, ("/v1/batches", "422"): 1}
        # What ends a process of the service ends one of these; it may be lent before that is known.
        (reader,) = api.readers
        reader.kill()
        poll(lambda: client.post("/v1/batches", files=FORM).status_code == 202)
        # A sheet that is on its way when the API is to end is read before it does.
        sheet = b'{"rows": [{"sku": "A", "prompt": "a red mug"}]}'
        with beginning_of_a_sheet(client, sheet) as connection:
            time.sleep(0.5)
            api.popen.terminate()
            poll(lambda: is_refused(api))
            assert api.popen.poll() is None
            connection.sendall(sheet[10:])
            assert connection.recv(65536).startswith(b"HTTP/1.1 202 ")
        assert api.popen.wait() == 0


def is_refused(api) -> bool:
    with socket.socket() as another:
        return another.connect_ex(("127.0.0.1", api.port)) != 0


@contextmanager
def beginning_of_a_sheet(client, sheet: bytes) -> Iterator[socket.socket]:
    """Send the head of a request with a sheet, and ten bytes of that."""
    url = urlsplit(str(client.base_url))
    head = (
        f"POST /v1/batches HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: {len(sheet)}\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port), timeout=120) as connection:
        connection.sendall(head.encode() + sheet[:10])
        yield connection
