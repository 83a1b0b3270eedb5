"""What the API says and does while something that it needs is missing."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from core.db.models import Backlog
from core.domain.lanes import Lane
from core.queue import make_celery, queue_of
from tests.integration.api.conftest import describe_bundle
from tests.integration.shop import poll

NOWHERE = "127.0.0.1:9"
"""The discard port: nothing listens there."""

MISSING = {
    "postgres": {"database_url": f"postgresql+psycopg://packshot@{NOWHERE}/packshot"},
    "redis": {"broker_url": f"redis://{NOWHERE}/0"},
    "s3": {"s3_endpoint_url": f"http://{NOWHERE}"},
}


def test_everything_is_there(client, settings):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "ready"
    assert body["problems"] == []
    assert {name: part["ok"] for name, part in body["components"].items()} == {
        "postgres": True, "redis": True, "s3": True, "bundle": True, "disk": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "status", "word"),
    [("postgres", 503, "unavailable"), ("redis", 200, "degraded"), ("s3", 503, "unavailable")],
)
def test_what_is_missing_is_named_and_its_address_only_in_the_log(
    serve, settings, caplog, name, status, word
):
    client = serve(settings.model_copy(update=MISSING[name]), tenant=None)
    answer = client.get("/readyz")
    assert answer.status_code == status
    assert answer.json()["status"] == word
    assert answer.json()["problems"] == [f"{name}: does not answer"]
    parts = answer.json()["components"]
    assert [part for part in parts if not parts[part]["ok"]] == [name]
    log = reason_in_the_log(answer, caplog, parts[name]["detail"])
    assert NOWHERE in log
    assert f"PACKSHOT_{next(iter(MISSING[name])).upper()}" in log
    assert client.get("/healthz").status_code == 200


def reason_in_the_log(answer, caplog, detail: str) -> str:
    """Check that an answer shows no address or folder, and return what the log says of it."""
    identity = answer.headers["x-request-id"]
    assert f"The server's log says why, under the request id {identity}." in detail
    assert not re.search(r"\d+\.\d+\.\d+\.\d+|localhost|://|\s/|PACKSHOT_", answer.text)
    log = "\n".join(one.getMessage() for one in caplog.records)
    caplog.clear()
    return log


def test_without_a_bundle_images_can_be_read_and_not_asked_for(client, bundle, worker, caplog):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(job["id"])
    shutil.rmtree(bundle)
    for arguments in (
        {"url": "/v1/jobs", "json": {"prompt": "a red mug"}},
        {"url": "/v1/batches", "files": {"file": ("a.csv", "sku,prompt\nA,a\n")}},
    ):
        answer = client.post(**arguments)
        assert answer.status_code == 503
        assert answer.json()["code"] == "bundle_unusable"
        log = reason_in_the_log(answer, caplog, answer.json()["detail"])
        assert str(bundle) in log
        assert "packshot model build" in log
        assert answer.headers["x-request-id"] in log
    assert client.get(f"/v1/jobs/{job['id']}/image").status_code == 200
    assert client.get("/readyz").status_code == 503
    describe_bundle(bundle)
    assert client.post("/v1/jobs", json={"prompt": "a red mug"}).status_code == 202
    assert client.get("/readyz").status_code == 200


def test_without_postgres_every_request_says_so(serve, settings, caplog):
    client = serve(settings.model_copy(update=MISSING["postgres"]), tenant=None)
    answer = client.get("/v1/batches", headers={"Authorization": "Bearer psk_any"})
    assert answer.status_code == 503
    assert answer.json()["code"] == "service_down"
    assert NOWHERE in reason_in_the_log(answer, caplog, answer.json()["detail"])
    assert answer.json()["retry_helps"] is True
    assert "retry-after" in answer.headers


def test_without_tables_the_way_out_is_in_the_log(serve, settings, services, caplog):
    services.postgres.create_database("empty", template="template1")
    url = settings.database_url.rpartition("/")[0] + "/empty"
    client = serve(settings.model_copy(update={"database_url": url}), tenant=None)
    ready = client.get("/readyz")
    (problem,) = ready.json()["problems"]
    assert problem.startswith("postgres: has no tables")
    part = ready.json()["components"]["postgres"]
    assert "packshot migrate" in reason_in_the_log(ready, caplog, part["detail"])
    answer = client.get("/v1/batches", headers={"Authorization": "Bearer psk_any"})
    assert answer.status_code == 503
    assert "packshot migrate" in reason_in_the_log(answer, caplog, answer.json()["detail"])


def test_without_s3_an_image_says_so(serve, settings, client, worker, caplog):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(job["id"])
    blind = serve(settings.model_copy(update=MISSING["s3"]))
    answer = blind.get(f"/v1/jobs/{job['id']}/image")
    assert answer.status_code == 503
    assert NOWHERE in reason_in_the_log(answer, caplog, answer.json()["detail"])


def test_without_redis_work_is_accepted_and_left_to_the_sweeper(serve, settings, shop):
    client = serve(settings.model_copy(update=MISSING["redis"]))
    job = client.post("/v1/jobs", json={"prompt": "a red mug"})
    assert job.status_code == 202
    assert client.post(f"/v1/jobs/{job.json()['id']}/cancel").json()["state"] == "canceled"
    other = client.post("/v1/jobs", json={"prompt": "a blue mug"}).json()
    # This answer comes after what follows the other: one connection, one request at a time.
    assert client.get(f"/v1/jobs/{other['id']}").json()["state"] == "queued"
    (queued,) = [one for one in shop.generations() if one.state == "queued"]
    assert queued.published_at is None


def test_new_work_is_published_in_its_lane_and_noted(client, shop, broker, send):
    client.post("/v1/jobs", json={"prompt": "a red mug"})
    send(client, "sku,prompt\nA,a blue mug\nB,a green mug\nC,a red mug\n")
    poll(lambda: all(one.published_at for one in shop.generations()))
    assert [broker.depth(lane) for lane in Lane] == [1, 2, 0]


def test_a_large_sheet_is_published_in_part_and_the_rest_left_to_the_housekeeping(
    serve, settings, shop, broker, send
):
    client = serve(settings.model_copy(update={"queue_window": 3}))
    send(client, "sku,prompt\n" + "".join(f"S{n},mug {n}\n" for n in range(5)))
    poll(lambda: sum(one.published_at is not None for one in shop.generations()) == 3)
    assert broker.depth(Lane.STANDARD) == 3
    published = sorted(one.prompt for one in shop.generations() if one.published_at)
    assert published == ["mug 0", "mug 1", "mug 2"]
    # The housekeeping goes by ids, and need not wait.
    (backlog,) = shop.all(Backlog)
    left = [one for one in shop.generations() if one.published_at is None]
    assert {one.backlog_id for one in left} == {backlog.id}
    everything = sorted(shop.generations(), key=lambda one: one.id)
    assert [one.prompt for one in everything] == [f"mug {n}" for n in range(5)]


def test_messages_hold_ids_and_no_prompts(client, shop, broker, settings):
    client.post("/v1/jobs", json={"prompt": "a secret mug"})
    poll(lambda: broker.depth(Lane.INTERACTIVE) == 1)
    (generation,) = shop.generations()
    with make_celery(settings).connection_for_read() as connection:
        message = connection.SimpleQueue(queue_of(Lane.INTERACTIVE, first=True)).get(timeout=10)
    assert message.headers["id"] == str(generation.id)
    assert "secret" not in json.dumps([message.payload, message.headers])


@pytest.mark.parametrize("name", [*MISSING, "bundle"])
def test_starting_without_something_says_which_in_one_sentence(environment, bundle, name):
    extra = {f"PACKSHOT_{k.upper()}": v for k, v in MISSING.get(name, {}).items()}
    extra |= {"PACKSHOT_BUNDLE": str(bundle) if name != "bundle" else "/nowhere"}
    extra |= {"PACKSHOT_CONNECT_TIMEOUT": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "api"],
        env={"PATH": "/usr/bin"} | environment | extra,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert (NOWHERE if name != "bundle" else "/nowhere") in line
