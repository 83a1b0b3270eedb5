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


@pytest.fixture
def owner(client, database):
    """Make a key with limits on the server; give what sends a request with it."""

    def owner(**limits: int):
        with database.session() as session:
            _, plain = create_key(session, "shop", **limits)
        return sender(client, plain)

    return owner


def sender(client, plain: str):
    """Return what sends a request with a key: a list, or a JSON document to a path."""

    def send(path: str = "/v1/batches", body: dict | None = None):
        method = "GET" if body is None else "POST"
        headers = {"Authorization": f"Bearer {plain}"}
        return client.request(method, path, json=body, headers=headers)

    return send


def make_key(client, send, **asks: object):
    made = send("/v1/keys", asks)
    assert made.status_code == 201, made.text
    return sender(client, made.json()["key"]), made.json()


def test_keys_that_a_limited_key_makes_share_its_requests(client, owner):
    first = owner(requests_per_minute=6)
    second, made = make_key(client, first)
    third, in_turn = make_key(client, second)
    assert made["limits_owner"] == in_turn["limits_owner"]
    for left, send in zip((3, 2, 1, 0), (third, first, second, third), strict=True):
        answer = send()
        assert answer.status_code == 200
        assert answer.headers["ratelimit"].startswith(f'"requests";r={left};')
    for send in (first, second, third):
        assert send().status_code == 429


def test_a_narrower_key_ends_before_the_one_that_it_shares_with(client, owner):
    first = owner(requests_per_minute=9, queued_images=9)
    second, _ = make_key(client, first, requests_per_minute=3, queued_images=1)
    assert second("/v1/jobs", {"prompt": "a red mug"}).status_code == 202
    assert second("/v1/jobs", {"prompt": "a blue mug"}).json()["code"] == "too_many_queued"
    refused = second("/v1/keys", {})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "the key that it was made with" in refused.json()["detail"]
    assert second().headers["ratelimit-policy"] == '"requests";q=3;w=60'
    assert second().status_code == 429
    assert first().headers["ratelimit"].startswith('"requests";r=4;'), "it counted in both"
    assert first("/v1/jobs", {"prompt": "a blue mug"}).status_code == 202


def test_a_key_with_limits_that_an_unlimited_one_made_is_an_owner_itself(client, owner):
    first = owner()
    second, made = make_key(client, first, queued_images=1)
    third, in_turn = make_key(client, second)
    assert (made["limits_owner"], in_turn["limits_owner"]) == (None, made["id"])
    assert third("/v1/jobs", {"prompt": "a red mug"}).status_code == 202
    assert second("/v1/jobs", {"prompt": "a blue mug"}).status_code == 429


def test_keys_that_a_limited_key_makes_share_its_images_also_when_they_are_gone(
    client, owner, worker
):
    first = owner(queued_images=3)
    second, made = make_key(client, first)
    third, _ = make_key(client, second)
    rows = [{"sku": sku, "prompt": f"a {sku} mug"} for sku in ("red", "blue")]
    assert second("/v1/batches", {"rows": rows}).status_code == 202
    job = third("/v1/jobs", {"prompt": "a green mug"}).json()
    assert client.delete(f"/v1/keys/{made['id']}").status_code == 204
    for send in (first, third):
        for path, body in (
            ("/v1/jobs", {"prompt": "a white mug"}),
            ("/v1/batches", {"rows": [{"sku": "A", "prompt": "a white mug"}]}),
        ):
            refused = send(path, body)
            assert refused.status_code == 429
            assert "those that share its limit may have 3 images" in refused.json()["detail"]
    worker.make(job["id"])
    assert first("/v1/jobs", {"prompt": "a white mug"}).status_code == 202
