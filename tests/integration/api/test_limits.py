"""Requests per minute and queued images."""

import pytest

from api.auth.rate_limiter import UNCOUNTED
from core.db.models import Job
from core.keys import create_key

MUG = {"prompt": "a red mug"}


def test_a_key_that_sends_too_much_is_told_when_to_go_on(serve, settings, services):
    client = serve(settings.model_copy(update={"requests_per_minute": 3}))
    for left in (2, 1, 0):
        answer = client.get("/v1/batches")
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"requests";q=3;w=60'
        assert answer.headers["ratelimit"].startswith(f'"requests";r={left};t=')
    refused = client.post("/v1/jobs", json=MUG)
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert refused.json()["retry_helps"] is True
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit"].startswith('"requests";r=0;')
    assert refused.headers["x-request-id"] == refused.json()["request_id"]
    assert client.get("/healthz").status_code == 200


def test_every_process_counts_the_same_and_each_key_for_itself(serve, settings, database):
    limited = settings.model_copy(update={"requests_per_minute": 2})
    here, there = serve(limited), serve(limited)
    there.headers["Authorization"] = here.headers["Authorization"]
    assert here.get("/v1/batches").status_code == 200
    assert there.get("/v1/batches").status_code == 200
    assert here.get("/v1/batches").status_code == 429
    with database.session() as session:
        _, generous = create_key(session, "shop", requests_per_minute=0)
    answer = here.get("/v1/batches", headers={"Authorization": f"Bearer {generous}"})
    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


def test_without_redis_requests_are_let_through(serve, settings):
    away = {"broker_url": "redis://127.0.0.1:1/0", "requests_per_minute": 1}
    client = serve(settings.model_copy(update=away))
    before = UNCOUNTED._value.get()
    for _ in range(3):
        assert client.get("/v1/batches").status_code == 200
    assert UNCOUNTED._value.get() == before + 3


def test_a_key_has_as_many_images_waiting_as_it_may(serve, settings, send, worker, shop):
    client = serve(settings.model_copy(update={"queued_images": 3}))
    send(client, "sku,prompt\nA,a red mug\nB,a blue mug\n")
    (first, *_) = shop.all(Job)
    single = client.post("/v1/jobs", json={"prompt": "a green mug"})
    assert single.status_code == 202
    for answer in (
        client.post("/v1/jobs", json={"prompt": "a white mug"}),
        client.post("/v1/batches", json={"rows": [{"sku": "A", "prompt": "a black mug"}]}),
    ):
        assert answer.status_code == 429
        assert answer.json()["code"] == "too_many_queued"
        assert "3 images waiting" in answer.json()["detail"]
        assert answer.headers["retry-after"] == "60"
        assert answer.headers["ratelimit-policy"] == '"queued-images";q=3'
        assert answer.headers["ratelimit"] == '"queued-images";r=0'
    assert len(shop.all(Job)) == 3
    worker.make(str(first.id))
    assert client.post("/v1/jobs", json={"prompt": "a white mug"}).status_code == 202
    client.post(f"/v1/jobs/{single.json()['id']}/cancel")
    assert client.post("/v1/jobs", json={"prompt": "a black mug"}).status_code == 202


def test_what_is_in_store_is_answered_whatever_waits(serve, settings, worker):
    client = serve(settings.model_copy(update={"queued_images": 1}))
    stored, waiting = {"prompt": "a red mug"}, {"prompt": "a blue mug"}
    worker.make(client.post("/v1/jobs", json=stored).json()["id"])
    assert client.post("/v1/jobs", json=waiting).status_code == 202
    assert client.post("/v1/jobs", json=stored).json()["cache"] == "exact"
    assert client.post("/v1/jobs", json={"prompt": "a green mug"}).status_code == 429


def test_an_answer_says_where_a_key_stands_with_both_limits(serve, settings, send):
    client = serve(settings.model_copy(update={"queued_images": 3, "requests_per_minute": 9}))
    send(client, "sku,prompt\nA,a red mug\nB,a blue mug\n")
    rows = [{"sku": sku, "prompt": f"a {sku} mug"} for sku in ("white", "black")]
    answer = client.post("/v1/batches", json={"rows": rows})
    assert answer.status_code == 429
    assert answer.headers["ratelimit"].startswith('"queued-images";r=1, "requests";r=7;t=')
    assert answer.headers["ratelimit-policy"] == '"queued-images";q=3, "requests";q=9;w=60'


@pytest.mark.parametrize("limit", [1, 0])
def test_a_keys_own_limit_goes_before_the_setting(serve, settings, database, limit):
    client = serve(settings.model_copy(update={"queued_images": 100 if limit else 1}))
    with database.session() as session:
        _, plain = create_key(session, "shop", queued_images=limit)
    headers = {"Authorization": f"Bearer {plain}"}
    statuses = [
        client.post("/v1/jobs", json={"prompt": f"mug {n}"}, headers=headers).status_code
        for n in range(2)
    ]
    assert statuses == [202, 429 if limit else 202]
