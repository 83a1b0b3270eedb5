"""Several processes answer requests at one address, and nobody notices."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from local.infrastructure import DATABASE
from local.ports import is_free
from tests.integration.api.conftest import api_process, connect, connections_at, describe_bundle
from tests.integration.shop import poll
from tests.support.frozen import frozen

PROCESSES = 2
MOMENT_SECONDS = 3
"""Longer than a process has to end in when it has nothing to do."""
ASK = b"GET /healthz HTTP/1.1\r\nHost: packshot\r\n\r\n"


@pytest.fixture(scope="module")
def environment(services):
    """A database for all tests here: the API outlives most of them."""
    services.postgres.create_database("api_processes", template=DATABASE)
    yield services.environment | {
        "PACKSHOT_DATABASE_URL": services.postgres.url("api_processes"),
        "PACKSHOT_API_PROCESSES": str(PROCESSES),
        "PACKSHOT_METRICS_TOKEN": "t0ken",
    }
    services.postgres.drop_database("api_processes")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    describe_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def started(environment, bundle):
    """Start an API, unless the one of the test before still runs: that takes seconds."""
    with ExitStack() as stack:
        processes = []

        def started():
            if not processes or processes[-1].popen.poll() is not None:
                processes.append(stack.enter_context(api_process(environment, bundle)))
            return processes[-1]

        yield started


@pytest.fixture
def api(started):
    process = started()
    process.url()
    return process


@pytest.fixture
def client(api, database):
    with connect(database, api.url(), "shop") as client:
        yield client


def knock(api, stack: ExitStack) -> socket.socket:
    """Open a connection, which the next free process takes, and use it."""
    connection = socket.create_connection(("127.0.0.1", api.port), timeout=60)
    stack.enter_context(connection)
    connection.sendall(ASK)
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    return connection


def knock_until_each_has_answered(api, stack: ExitStack) -> int:
    """Open connections until every process has one; give how many there are."""
    opened = 0

    def each_has_one() -> bool:
        nonlocal opened
        knock(api, stack)
        opened += 1
        held = [len(connections_at(process, api.port)) for process in api.workers]
        return len(held) == PROCESSES and all(held)

    poll(each_has_one)
    return opened


def test_all_of_them_answer_and_are_counted_together(api, client):
    before = answered(client)
    with ExitStack() as stack:
        opened = knock_until_each_has_answered(api, stack)
        # Whichever of them is asked; it counts when the answer is sent.
        poll(lambda: answered(client) - before == opened)
        with connect_again(client) as another:
            assert answered(another) - before == opened


def connect_again(client) -> httpx.Client:
    return httpx.Client(base_url=client.base_url, headers=client.headers, trust_env=False)


def answered(client) -> float:
    return samples(client)["packshot_http_requests_total", "GET", "/healthz", "200"]


def samples(client) -> dict:
    answer = client.get("/metrics", headers={"Authorization": "Bearer t0ken"})
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_their_memory_is_counted_together(api, client):
    with ExitStack() as stack:
        knock_until_each_has_answered(api, stack)
        found = samples(client)
        alone = max(process.memory_info().rss for process in api.workers)
    assert found["process_resident_memory_bytes",] > 1.5 * alone
    assert found["process_cpu_seconds_total",] > 0


def test_a_killed_one_comes_back_and_the_others_go_on(api, client):
    child = a_worker(api)
    child.kill()
    child.wait()
    assert client.get("/v1/batches").status_code == 200
    poll(lambda: child not in api.workers and len(api.workers) == PROCESSES)
    with ExitStack() as stack:
        knock_until_each_has_answered(api, stack)


def test_a_port_that_is_taken_is_said_with_what_to_change(api, environment, bundle, capfd):
    with api_process(environment, bundle, port=api.port) as second:
        assert second.popen.wait() == 3
    said = capfd.readouterr().err
    assert f"cannot listen on 127.0.0.1, port {api.port}" in said
    assert "PACKSHOT_API_PORT" in said


def test_a_request_in_another_process_is_answered_before_all_end(api, client):
    child = a_worker(api)
    others = psutil.Process(api.popen.pid).children(recursive=True)
    assert len(others) >= PROCESSES
    body = b'{"prompt": "a red mug"}'
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: packshot\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        connection = knock_at(api, child, stack)
        connection.sendall(head + body[:5])
        time.sleep(0.2)
        api.popen.terminate()
        time.sleep(MOMENT_SECONDS)
        assert api.popen.poll() is None
        with pytest.raises(ConnectionRefusedError):
            knock(api, stack)
        connection.sendall(body[5:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 202 ")
    assert api.popen.wait() == 0
    poll(lambda: not any(runs(one) for one in others))
    assert is_free(api.port)


def a_worker(api) -> psutil.Process:
    poll(lambda: len(api.workers) == PROCESSES)
    return api.workers[0]


def knock_at(api, process, stack: ExitStack) -> socket.socket:
    """Open connections until one is this process's; give that."""
    found: list[socket.socket] = []

    def is_its() -> bool:
        connection = knock(api, stack)
        port = connection.getsockname()[1]
        if any(one.raddr.port == port for one in connections_at(process, api.port)):
            found.append(connection)
        return bool(found)

    poll(is_its)
    return found[0]


def runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_all_end_with_the_first_and_leave_its_port(api, number):
    with ExitStack() as stack:
        knock_until_each_has_answered(api, stack)
        others = psutil.Process(api.popen.pid).children(recursive=True)
        assert len(others) >= PROCESSES
        os.kill(api.popen.pid, number)
        assert api.popen.wait() == (-number if number == signal.SIGKILL else 0)
        poll(lambda: not any(runs(one) for one in others))
    assert is_free(api.port)


def test_readiness_ends_before_connections_do(environment, bundle, database):
    with api_process(environment | {"PACKSHOT_DRAIN_SECONDS": "600"}, bundle) as api:
        url = api.url()
        with connect(database, url, "shop") as client, ExitStack() as stack:
            knock_until_each_has_answered(api, stack)
            assert client.get("/readyz").status_code == 200
            api.popen.terminate()
            poll(lambda: client.get("/readyz").status_code == 503)
            assert client.get("/readyz").json()["status"] == "draining"
            assert client.get("/healthz").status_code == 200
            # Who does not know yet is served as before, and asked to come on a new connection.
            answer = client.get("/v1/batches")
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
            assert api.popen.poll() is None
            assert not refuses(api)
            # A second signal says that nobody else needs to notice.
            api.popen.terminate()
            poll(lambda: refuses(api))
        assert api.popen.wait() == 0


def refuses(api) -> bool:
    try:
        socket.create_connection(("127.0.0.1", api.port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


def test_what_is_not_done_within_the_grace_is_answered_503(environment, bundle, services, database):
    """A list waits for a Postgres that hangs, for longer than the server has."""
    with ExitStack() as stack:
        settings = environment | {"PACKSHOT_GRACE_SECONDS": "1", "PACKSHOT_STATEMENT_TIMEOUT": "60"}
        api = stack.enter_context(api_process(settings, bundle))
        client = stack.enter_context(connect(database, api.url(), "shop"))
        assert client.get("/v1/batches").status_code == 200
        pool = stack.enter_context(ThreadPoolExecutor())
        with frozen(services.postgres):
            asked = pool.submit(client.get, "/v1/batches")
            time.sleep(1)  # until it waits there
            api.popen.terminate()
            answer = asked.result()
        assert (answer.status_code, answer.headers["connection"]) == (503, "close")
        assert int(answer.headers["retry-after"]) > 0
        assert "PACKSHOT_GRACE_SECONDS" in answer.json()["detail"]
        assert api.popen.wait() == 0
