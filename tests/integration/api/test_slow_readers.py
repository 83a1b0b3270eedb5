"""Large downloads whose readers are slow: what they cost, and who is served meanwhile."""

import io
import json
import socket
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit

import pytest

from tests.integration.api.conftest import api_process, connect
from tests.integration.shop import poll

ROWS = 4000
NOTE = "x" * 1500
READERS = 12
GROWTH = 96 * 2**20
"""Bytes that a process may grow by: with pages kept for each reader it was three times that."""


def sheet_of(client, rows: int = ROWS) -> dict:
    wanted = [{"sku": f"S{n}", "prompt": "a red mug", "note": NOTE} for n in range(rows)]
    answer = client.post("/v1/batches", json={"rows": wanted}, timeout=300)
    assert answer.status_code == 202, answer.text
    return answer.json()


@contextmanager
def reader(client, path: str) -> Iterator[socket.socket]:
    """Ask for a path, and read nothing but what the kernel takes by itself."""
    address = urlsplit(str(client.base_url))
    with closing(socket.socket()) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.settimeout(120)
        opened.connect((address.hostname, address.port))
        key = client.headers["Authorization"]
        lines = (f"GET {path} HTTP/1.1", "Host: x", f"Authorization: {key}", "Connection: close")
        opened.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        yield opened


def status_of(opened: socket.socket) -> int:
    """The status of an answer whose beginning is there."""
    return int(opened.recv(64, socket.MSG_PEEK).split()[1])


def body_of(opened: socket.socket) -> bytes:
    """Read all of a chunked answer."""
    received = b""
    while portion := opened.recv(2**20):
        received += portion
    _, _, rest = received.partition(b"\r\n\r\n")
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return body
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]


def busy(database) -> list:
    with database.reader() as session:
        return list(
            session.connection().exec_driver_sql(
                "select state, query from pg_stat_activity where datname = current_database() "
                "and pid <> pg_backend_pid() and state <> 'idle'"
            )
        )


@pytest.mark.own_database
@pytest.mark.parametrize("kind", ["results", "manifest"])
def test_readers_that_stop_cost_little_memory_no_connection_and_nobody_s_time(
    environment, bundle, database, kind
):
    extra = {"PACKSHOT_API_PROCESSES": "1", "PACKSHOT_DOWNLOADS": str(2 * READERS)}
    with (
        api_process(environment | extra, bundle) as process,
        connect(database, process.url(), "shop") as client,
        ExitStack() as stack,
    ):
        batch = sheet_of(client)
        path = batch["links"][kind]
        whole = client.get(path).content
        (api,) = process.workers
        before = api.memory_info().rss
        readers = [stack.enter_context(reader(client, path)) for _ in range(READERS)]
        assert [status_of(one) for one in readers] == [200] * READERS
        for _ in range(5):
            assert client.get("/v1/batches?limit=1").status_code == 200
            assert client.post("/v1/jobs", json={"prompt": "a mug"}).status_code == 202
            time.sleep(0.2)
        poll(lambda: busy(database) == [])
        assert api.memory_info().rss - before < GROWTH
        assert body_of(readers[0]) == whole


def test_of_a_tenant_s_large_downloads_half_run_and_the_next_is_told_to_wait(
    serve, settings, database
):
    client = serve(settings.model_copy(update={"downloads": 2}))
    batch = sheet_of(client, 3000)
    with ExitStack() as stack:
        other, third = (
            stack.enter_context(connect(database, str(client.base_url), tenant))
            for tenant in ("stranger", "third")
        )
        theirs = sheet_of(other, 3000)
        mine = stack.enter_context(reader(client, batch["links"]["results"]))
        assert status_of(mine) == 200
        refused = client.get(batch["links"]["manifest"])
        assert refused.status_code == 429
        assert refused.json()["code"] == "too_many_downloads"
        assert int(refused.headers["retry-after"]) > 0
        # Another tenant's runs, and what is small is not counted.
        assert status_of(stack.enter_context(reader(other, theirs["links"]["results"]))) == 200
        small = sheet_of(client, 3)
        assert client.get(small["links"]["results"]).status_code == 200
        busy = third.get(sheet_of(third, 3000)["links"]["results"])
        assert (busy.status_code, busy.json()["code"]) == (503, "downloads_busy")
        assert "retry-after" in busy.headers
    # A reader that leaves makes room.
    poll(lambda: client.get(batch["links"]["manifest"]).status_code == 200)


def test_a_reader_that_takes_nothing_is_left(serve, settings, monkeypatch):
    monkeypatch.setattr("api.turns.downloads.STALLED_SECONDS", 0.5)
    client = serve(settings.model_copy(update={"downloads": 2}))
    batch = sheet_of(client, 3000)
    with reader(client, batch["links"]["manifest"]) as stalled:
        assert status_of(stalled) == 200
        poll(lambda: client.get(batch["links"]["results"]).status_code == 200)


IMAGE_BYTES, IMAGES = 1_000_000, 12
"""Of an archive that no kernel's buffers hold."""


@pytest.fixture
def archive(client, worker) -> str:
    """The path of an archive of images that do not fit into what lies between."""
    wanted = [{"sku": f"S{n}", "prompt": f"mug {n}"} for n in range(IMAGES)]
    batch = client.post("/v1/batches", json={"rows": wanted}).json()
    for number, job in enumerate(client.get(batch["links"]["items"]).json()["items"]):
        worker.make(job["id"], str(number % 10).encode() * IMAGE_BYTES)
    return batch["links"]["images"]


def test_readers_that_stop_in_the_middle_of_an_archive_hold_no_thread_and_no_connection(
    client, archive, database
):
    """More of them than there are threads for archives, and one goes on to the end."""
    with ExitStack() as stack:
        stopped = [stack.enter_context(reader(client, archive)) for _ in range(6)]
        assert [status_of(one) for one in stopped] == [200] * 6
        poll(lambda: busy(database) == [])
        assert client.get("/v1/batches?limit=1").status_code == 200
        with zipfile.ZipFile(io.BytesIO(client.get(archive).content)) as whole:
            assert whole.testzip() is None
        with zipfile.ZipFile(io.BytesIO(body_of(stopped[0]))) as late:
            assert late.testzip() is None
            assert [late.getinfo(name).file_size for name in late.namelist()] == [
                IMAGE_BYTES
            ] * IMAGES


def test_a_reader_that_stops_in_the_middle_of_an_archive_is_left_without_its_end(
    client, archive, monkeypatch
):
    monkeypatch.setattr("api.turns.downloads.STALLED_SECONDS", 0.5)
    with reader(client, archive) as stalled:
        assert status_of(stalled) == 200
        time.sleep(1.5)
        received = b""
        while portion := stalled.recv(2**20):
            received += portion
        assert IMAGE_BYTES < len(received) < IMAGES * IMAGE_BYTES
        assert not received.endswith(b"\r\n0\r\n\r\n"), "its reader sees that it is not whole"


def test_what_is_read_in_pages_is_whole_and_in_order(client, monkeypatch):
    batch = sheet_of(client, 57)
    whole = client.get(batch["links"]["results"]).text
    manifest = client.get(batch["links"]["manifest"]).text
    monkeypatch.setattr("api.exports.results.PAGE_ROWS", 5)
    monkeypatch.setattr("api.turns.downloads.SENT_AT_ONCE", 100)
    assert client.get(batch["links"]["results"]).text == whole
    assert client.get(batch["links"]["manifest"]).text == manifest
    skus = [json.loads(line)["sku"] for line in manifest.splitlines()]
    assert skus == [f"S{number}" for number in range(57)]
