"""What one sheet takes is bounded, ends with its client, and stands in nobody else's way."""

import json
import os
import resource
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from api.sheets.process import LARGE_BYTES
from core.db.models import Batch, Job
from tests.integration.api.conftest import api_process, connect
from tests.integration.shop import poll

pytestmark = pytest.mark.own_database

SMALL = {"rows": [{"sku": "A", "prompt": "a red mug"}]}
COSTLY = json.dumps(
    {
        "template": "a mug"
        + "".join(f"{{% if a is mentioning('y {word}') %}}!{{% endif %}}" for word in range(100)),
        "rows": [{"sku": str(n), "a": f"w{n} x{n} " * 200} for n in range(6_000)],
    }
)
"""Minutes of computing, with which every other limit agrees: what was asked once is remembered, so
each test asks for something else."""


@pytest.fixture
def limits() -> Mapping[str, str]:
    return {}


@pytest.fixture
def environment(environment, limits):
    own = {"PROCESSES": "2", "QUEUE": "4", **limits}
    named = {f"PACKSHOT_SHEET_{name}": value for name, value in own.items()}
    return environment | {"PACKSHOT_API_PROCESSES": "1"} | named


@pytest.fixture
def sheets(environment, bundle, database):
    with api_process(environment, bundle, module="api.sheets") as process:
        yield process


@pytest.fixture
def api(environment, bundle, sheets):
    at = {"PACKSHOT_SHEETS_URL": f"http://127.0.0.1:{sheets.port}"}
    with api_process(environment | at, bundle) as process:
        sheets.url()
        yield process


@pytest.fixture
def flood(api, database):
    with connect(database, api.url(), "flood") as client:
        yield client


@pytest.fixture
def other(api, database):
    with connect(database, api.url(), "other") as client:
        yield client


def post(client: httpx.Client, content: str) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return client.post("/v1/batches", content=content, headers=headers, timeout=300)


def seconds_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def costly_sheet(client: httpx.Client) -> Iterator[socket.socket]:
    """Send a costly sheet; its client leaves with the block."""
    url = urlsplit(str(client.base_url))
    head = (
        f"POST /v1/batches HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: {len(COSTLY)}\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port), timeout=60) as connection:
        connection.sendall((head + COSTLY).encode())
        yield connection


@contextmanager
def halted(client: httpx.Client, sheets) -> Iterator[tuple[psutil.Process, socket.socket]]:
    """Send a costly sheet, and halt the process that reads it in the middle of its work."""
    # One that is idle is used, and has begun when the first answer is there.
    assert client.post("/v1/batches", json=SMALL).status_code == 202
    before = {one.pid: seconds_of(one) for one in sheets.readers}

    def working() -> list[psutil.Process]:
        return [one for one in sheets.readers if seconds_of(one) > before.get(one.pid, 0) + 0.5]

    with costly_sheet(client) as connection:
        poll(working)
        (reader,) = working()
        reader.suspend()
        try:
            yield reader, connection
        finally:
            with suppress(psutil.NoSuchProcess):
                reader.kill()


@pytest.mark.parametrize("limits", [{"CPU_SECONDS": "2", "MEMORY_BYTES": str(100 * 2**20)}])
def test_a_sheet_ends_at_its_limits_and_leaves_nothing(flood, sheets, shop):
    assert flood.post("/v1/batches", json={}).status_code == 422
    (reader, *_) = sheets.readers
    assert reader.rlimit(resource.RLIMIT_CORE) == (0, 0), "no copy of its memory on the disk"
    costly = post(flood, COSTLY)
    assert (costly.status_code, costly.json()["code"]) == (422, "sheet_too_costly")
    assert "2 seconds of computing" in costly.json()["detail"]
    assert not costly.json()["retry_helps"]
    large = post(flood, json.dumps({"rows": [{"sku": "A", "prompt": "x" * 60_000_000}]}))
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    assert "PACKSHOT_SHEET_MEMORY_BYTES" in large.json()["detail"]
    assert shop.all(Batch) == shop.all(Job) == []
    assert flood.post("/v1/batches", json=SMALL).status_code == 202


@pytest.mark.parametrize("limits", [{"CPU_SECONDS": "600", "SECONDS": "600"}])
def test_a_client_that_leaves_ends_the_work(sheets, flood, shop):
    with halted(flood, sheets) as (reader, connection):
        connection.close()
        # Long before its limits, and whatever it is in: it gets nowhere by itself.
        poll(lambda: not reader.is_running())
        assert flood.post("/v1/batches", json=SMALL).status_code == 202
    assert [one.total_jobs for one in shop.all(Batch)] == [1, 1]


def niceness_of(process: psutil.Process) -> set[int]:
    """Return the priorities of a process's threads: on Linux each has its own."""
    return {os.getpriority(os.PRIO_PROCESS, thread.id) for thread in process.threads()}


@pytest.mark.parametrize("limits", [{"CPU_SECONDS": "600", "SECONDS": "600"}])
def test_a_large_sheet_lets_small_ones_go_first(api, sheets, flood, other):
    own = os.getpriority(os.PRIO_PROCESS, 0)
    first, back = max(own, 5), max(own, 5) + 5
    with costly_sheet(flood):
        poll(lambda: {back} in [niceness_of(one) for one in sheets.readers])
        (large,) = (one for one in sheets.readers if niceness_of(one) == {back})
        assert other.post("/v1/batches", json=SMALL).status_code == 202
        others = [niceness_of(one) for one in sheets.readers if one != large]
        assert others == [{first}, {first}]
        assert all(one.nice() == own for one in api.workers)
    # No better priority can be had again.
    poll(lambda: not large.is_running())
    poll(lambda: [niceness_of(one) for one in sheets.readers] == 3 * [{first}])


@pytest.mark.parametrize("limits", [{}])
def test_a_sheet_of_many_bytes_is_large_before_it_has_computed(sheets, flood):
    own = os.getpriority(os.PRIO_PROCESS, 0)
    back = {max(own, 5) + 5}
    assert post(flood, json.dumps(SMALL)).status_code == 202
    poll(lambda: len(sheets.readers) == 3)
    before = sheets.readers
    for _ in range(3):
        assert post(flood, json.dumps(SMALL) + " " * LARGE_BYTES).status_code == 202
    # All by one, which no small sheet is given: nobody waits until another has started.
    assert post(flood, json.dumps(SMALL)).status_code == 202
    assert [niceness_of(one) for one in before].count(back) == 1
    assert sheets.readers == before


@pytest.mark.parametrize("limits", [{"SECONDS": "45"}])
def test_other_tenants_sheets_are_read_beside_one_that_does_not_end(sheets, flood, other, shop):
    with halted(flood, sheets) as (reader, connection), ThreadPoolExecutor() as pool:
        waiting = pool.submit(flood.post, "/v1/batches", json=SMALL, timeout=300)
        for _ in range(3):
            assert other.post("/v1/batches", json=SMALL).status_code == 202
        # Two of the four that may be here are theirs: one is read, one waits.
        refused = poll_refusal(flood)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_sheets")
        assert int(refused.headers["retry-after"]) > 0
        assert other.post("/v1/batches", json=SMALL).status_code == 202
        # Its time is over, and its place the next one's.
        assert waiting.result().status_code == 202
        assert connection.recv(65536).startswith(b"HTTP/1.1 503 ")
        poll(lambda: not reader.is_running())


def poll_refusal(client: httpx.Client) -> httpx.Response:
    """Ask until the sheet that was sent before has come to wait."""
    answers: list[httpx.Response] = []

    def refused() -> bool:
        with suppress(httpx.TimeoutException):
            answers.append(client.post("/v1/batches", json=SMALL, timeout=1))
        return bool(answers)

    poll(refused)
    return answers[-1]
