"""What the API does while something that it needs hangs, is slow, or is full.

The bounds are those of the product's own timeouts, with room for a busy machine; what matters is
that they are not "for ever", and who is served meanwhile.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis
from botocore.exceptions import ClientError

from core.db.engine import Database
from core.storage import Storage
from tests.integration.shop import poll
from tests.support.frozen import frozen
from tests.support.wire import wire

ROOM = 10.0
"""Seconds that a busy machine may take beside the product's own timeouts."""
BIG = bytes(range(256)) * 4096
"""A megabyte."""


@pytest.fixture
def settings(settings):
    """Short timeouts, few connections, and nothing remembered: every image is read from S3."""
    return settings.model_copy(
        update={
            "database_pool_size": 3,
            "result_memory_bytes": 0,
            "s3_timeout": 1.0,
            "statement_timeout": 2.0,
        }
    )


@pytest.fixture
def image(client, worker) -> str:
    """The path of an image that is stored."""
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(job["id"], BIG)
    return f"/v1/jobs/{job['id']}/image"


@pytest.fixture
def ask_at_once(client):
    """Ask for a path many times at the same time; give the answers, still on their way."""
    with ThreadPoolExecutor(64) as pool:
        yield lambda path, number: [pool.submit(client.get, path) for _ in range(number)]


def seconds_of(call) -> tuple[float, httpx.Response]:
    began = time.monotonic()
    answer = call()
    return time.monotonic() - began, answer


def connections(database: Database) -> list[tuple[str, str]]:
    """What every other connection to this database does, or did last."""
    with database.reader() as session:
        return list(
            session.connection().exec_driver_sql(
                "select state, query from pg_stat_activity where datname = current_database() "
                "and pid <> pg_backend_pid() and state <> 'idle'"
            )
        )


def test_images_that_wait_for_s3_hold_no_connection_and_nobody_else(
    client, image, services, ask_at_once, database
):
    with frozen(services.s3):
        # More than there are threads for requests, and than the pool has connections.
        downloads = ask_at_once(image, 50)
        time.sleep(1)
        assert connections(database) == []
        answer = client.get("/v1/batches")
        assert answer.status_code == 200
        assert client.post("/v1/jobs", json={"prompt": "a blue mug"}).status_code == 202
        assert not all(one.done() for one in downloads), "they hang while others are served"
        answers = [one.result(60) for one in downloads]
    assert {one.status_code for one in answers} == {503}
    assert all("retry-after" in one.headers for one in answers)
    poll(lambda: client.get(image).content == BIG)


def test_a_slow_s3_is_waited_for_without_a_connection(serve, settings, services, worker, database):
    with wire(services.s3.port) as slow:
        client = serve(
            settings.model_copy(update={"s3_endpoint_url": f"http://127.0.0.1:{slow.port}"})
        )
        job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
        worker.make(job["id"], BIG)
        slow.pause_seconds = 0.05  # less than the timeout: a megabyte takes some seconds
        with ThreadPoolExecutor(4) as pool:
            downloads = [pool.submit(client.get, f"/v1/jobs/{job['id']}/image") for _ in range(4)]
            time.sleep(0.5)
            assert connections(database) == []
            assert client.get("/v1/batches").status_code == 200
            assert not all(one.done() for one in downloads)
            assert [one.result(60).content for one in downloads] == [BIG] * 4


def test_a_hung_postgres_is_told_of_and_comes_back(client, services, image):
    with frozen(services.postgres), ThreadPoolExecutor(16) as pool:
        began = time.monotonic()
        asked = [pool.submit(client.get, "/v1/batches") for _ in range(8)]
        asked += [pool.submit(client.post, "/v1/jobs", json={"prompt": "a cup"}) for _ in range(8)]
        took, ready = seconds_of(lambda: client.get("/readyz"))
        assert took < 2 + ROOM
        assert ready.status_code == 503
        assert ready.json()["problems"] == ["postgres: no answer in 2 s"]
        assert client.get("/healthz").status_code == 200
        answers = [one.result(60) for one in asked]
        # A statement's two seconds, two more for its answer, two for a connection.
        assert time.monotonic() - began < 2 + 2 + 2 + ROOM
    for answer in answers:
        assert answer.status_code == 503
        assert answer.json()["retry_helps"] is True
        assert "retry-after" in answer.headers
    poll(lambda: client.get("/v1/batches").status_code == 200)
    poll(lambda: client.get("/readyz").status_code == 200)
    assert client.get(image).content == BIG


def test_connections_that_a_network_swallows_are_given_up_and_made_anew(serve, settings, services):
    with wire(services.postgres.port) as network:
        url = settings.database_url.replace(f":{services.postgres.port}/", f":{network.port}/")
        client = serve(settings.model_copy(update={"database_url": url}))
        assert client.get("/v1/batches").status_code == 200
        network.swallows = True
        took, answer = seconds_of(lambda: client.get("/v1/batches"))
        assert answer.status_code == 503
        assert took < 2 + 2 + 2 + ROOM
        network.swallows = False
        poll(lambda: client.get("/v1/batches").status_code == 200)


def test_a_hung_redis_takes_no_work(client, services, shop):
    with frozen(services.valkey):
        began = time.monotonic()
        jobs = [client.post("/v1/jobs", json={"prompt": f"mug {n}"}) for n in range(5)]
        assert {job.status_code for job in jobs} == {202}
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["status"] == "degraded"
        assert [one.partition(":")[0] for one in ready.json()["problems"]] == ["redis"]
        assert time.monotonic() - began < 2 + ROOM
    poll(lambda: client.get("/readyz").json()["status"] == "ready")
    assert len(shop.generations()) == 5


@pytest.mark.parametrize(
    ("refuse", "allow", "word"),
    [
        (
            ("config", "set", "maxmemory", "1"),
            ("config", "set", "maxmemory", "0"),
            "memory is full",
        ),
        (("replicaof", "127.0.0.1", "9"), ("replicaof", "no", "one"), "a replica"),
    ],
)
def test_a_redis_that_takes_no_message_is_told_of(client, services, refuse, allow, word):
    with redis.Redis.from_url(services.valkey.url()) as valkey:
        valkey.execute_command(*refuse)
        try:
            ready = client.get("/readyz").json()
            assert ready["status"] == "degraded"
            (problem,) = ready["problems"]
            assert problem.startswith("redis: refuses writes: ")
            assert word in problem
            assert client.post("/v1/jobs", json={"prompt": "a mug"}).status_code == 202
        finally:
            valkey.execute_command(*allow)
    poll(lambda: client.get("/readyz").json()["status"] == "ready")


def test_a_storage_that_takes_no_object_is_not_ready(serve, settings, monkeypatch):
    client = serve(settings, tenant=None)

    def full(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "XMinioStorageFull"}}, "PutObject")

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "put", full)
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["problems"] == ["s3: refuses writes"]
    assert client.get("/readyz").status_code == 200


def test_a_full_disk_is_not_ready(client, monkeypatch):
    monkeypatch.setattr("api.process.readiness.LEAST_FREE_BYTES", 2**62)
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["problems"] == ["disk: is full"]


def test_everything_hangs_and_the_answer_comes(client, services):
    with frozen(services.s3), frozen(services.postgres), frozen(services.valkey):
        took, ready = seconds_of(lambda: client.get("/readyz"))
        assert took < 2 + ROOM
        assert ready.status_code == 503
        hanging = [one.partition(":")[0] for one in ready.json()["problems"]]
        assert hanging == ["postgres", "redis", "s3"]
    poll(lambda: client.get("/readyz").json()["status"] == "ready")
