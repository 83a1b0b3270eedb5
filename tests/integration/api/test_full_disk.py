"""The disk under Postgres, S3 and our own files is full, and then has room again."""

import hashlib

import numpy as np
import pytest

import migrations
from core.domain.states import GenerationState
from local.infrastructure import DATABASE, Infrastructure
from tests.integration.shop import poll
from tests.pictures import near_white, png, product
from tests.support.served import ServedModels
from tests.support.small_disk import SmallDisk, small_disk
from worker.endings import Delivery
from worker.leases import Leases
from worker.rows import RowResult, Ticket
from worker.runner import Runner

SHEET = "sku,prompt\n" + "".join(f"S{n},a mug number {n}\n" for n in range(2000))
"""More rows than the pages have room for that Postgres holds already."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    with small_disk(tmp_path_factory.mktemp("small-disk")) as disk:
        yield disk


@pytest.fixture(scope="module")
def full_services(disk: SmallDisk):
    with Infrastructure(disk.folder / "home", durable=False) as services:
        migrations.upgrade(services.postgres.url(DATABASE))
        yield services


@pytest.fixture
def environment(full_services):
    """These tests have services of their own."""
    return full_services.environment


class Engine:
    """Computes every image at once."""

    ticks = 0
    computing = True

    def submit(self, request):
        ticket = Ticket(request=request, submitted=0.0)
        noise = np.random.default_rng(request.spec.seed).integers(0, 256, (64, 64, 3), np.uint8)
        ticket.fulfil(RowResult(image=noise, seconds=0.5, steps=4))
        return ticket

    def cancel(self, identity):
        raise AssertionError("nothing was lost")


@pytest.fixture
def runner(database, storage):
    engine = Engine()
    leases = Leases(
        database=database, engine=engine, owner="me", lease_seconds=60, heartbeat_seconds=1
    )
    return Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=ServedModels("1" * 64),
        leases=leases,
        max_attempts=3,
        patience_seconds=0.5,
        pause_seconds=0,
    )


def test_what_a_full_disk_refuses_is_told_and_goes_on_when_there_is_room(
    client, disk, full_services, shop, runner, send
):
    batch = send(client, "sku,prompt\nA,a red mug\nB,a blue mug\n")
    before, after = sorted(shop.generations(), key=lambda one: one.prompt, reverse=True)
    assert runner.run(before.id) is Delivery.DONE
    key = {"Idempotency-Key": "the-large-sheet"}
    large = {"file": ("large.csv", SHEET, "text/csv")}
    photograph = {"file": ("mug.png", png(near_white(product())))}

    with disk.full():
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert {"disk: is full", "s3: refuses writes"} <= set(ready.json()["problems"])
        for refused in (
            client.post("/v1/batches", files=large, headers=key),
            client.post("/v1/sources", files=photograph),
        ):
            assert refused.status_code == 503, refused.text
            assert refused.json()["code"] == "service_down"
            assert refused.json()["retry_helps"] is True
            assert "retry-after" in refused.headers
        assert runner.run(after.id) is Delivery.LATER
        # What is there can be read.
        assert client.get(batch["links"]["self"]).json()["counts"]["succeeded"] == 1
        assert images(client, batch).keys() == {"A"}

    poll(lambda: client.get("/readyz").json()["status"] == "ready")
    assert len(client.get("/v1/batches").json()["items"]) == 1, "nothing of the large one"
    assert client.get("/v1/sources").json()["items"] == []
    poll(lambda: runner.run(after.id) is Delivery.DONE)
    assert {one.attempts for one in shop.generations()} == {1}
    made = client.post("/v1/batches", files=large, headers=key)
    assert made.status_code == 202, made.text
    assert client.post("/v1/sources", files=photograph).status_code == 201
    assert len(shop.generations()) == 2 + 2000

    found = images(client, batch)
    assert found.keys() == {"A", "B"}
    full_services.stop()
    full_services.start()
    poll(lambda: client.get("/readyz").json()["status"] == "ready")
    assert images(client, batch) == found
    assert {one.state for one in shop.generations() if one.id in (before.id, after.id)} == {
        GenerationState.SUCCEEDED
    }


def images(client, batch) -> dict[str, bytes]:
    """Download what is finished of a batch, each as its digest says."""
    found = {}
    for job in client.get(batch["links"]["items"]).json()["items"]:
        if job["state"] == "succeeded":
            answer = client.get(job["image"]["url"])
            assert answer.status_code == 200, answer.text
            assert hashlib.sha256(answer.content).hexdigest() == job["image"]["digest"]
            found[job["sku"]] = answer.content
    return found
