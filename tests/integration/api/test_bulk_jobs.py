"""Many requests in one body, and the list of jobs."""

from datetime import UTC, datetime, timedelta

import pytest

from core.db.models import Batch, Job
from core.keys import create_key

PATH = "/v1/bulk-jobs"


def ask(client, *requests, **headers):
    return client.post(PATH, json={"requests": list(requests)}, headers=headers)


def test_all_are_queued_in_their_order_or_answered_from_store(client, worker, shop):
    kept = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(kept["id"])
    answer = ask(
        client,
        {"prompt": "a blue mug", "sku": "B"},
        {"prompt": "a red mug", "sku": "R"},
        {"prompt": "a blue mug", "sku": "B2", "lane": "bulk"},
        {"prompt": "a green mug", "cache": "bypass"},
    )
    assert answer.status_code == 202, answer.text
    jobs = [one["job"] for one in answer.json()["jobs"]]
    assert [one["sku"] for one in jobs] == ["B", "R", "B2", ""]
    assert [one["cache"] for one in jobs] == ["miss", "exact", "coalesced", "miss"]
    assert [one["lane"] for one in jobs] == ["interactive", "interactive", "bulk", "interactive"]
    assert not any(one["is_repeated"] for one in answer.json()["jobs"])
    for one in jobs:
        assert client.get(f"/v1/jobs/{one['id']}").json() == one
    assert shop.all(Batch) == []


def test_every_bad_request_is_named_and_nothing_is_submitted(client, shop):
    answer = ask(
        client,
        {"prompt": "a red mug"},
        {"prompt": "a red mug", "steps": 9999},
        {},
        {"prompt": "a red mug", "recipe": "nowhere"},
        {"prompt": "a red mug", "callback_url": "https://shop.example/"},
        {"prompt": "a red mug", "idempotency_key": "one"},
        {"prompt": "a blue mug", "idempotency_key": "one"},
    )
    assert answer.status_code == 422
    problem = answer.json()
    assert [one["column"] for one in problem["errors"]] == [
        "requests.6.idempotency_key",
        "requests.1.steps",
        "requests.2.prompt",
        "requests.3.recipe",
        "requests.4.callback_url",
    ]
    assert [one["index"] for one in problem["errors"]] == [6, 1, 2, 3, 4]
    assert "and 2 more" in problem["detail"]
    assert shop.all(Job) == []


def test_what_the_schema_refuses_has_its_place(client):
    answer = ask(client, {"prompt": "a red mug"}, {"prompt": "a red mug", "stepz": 4})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["column"], error["message"]) == (
        "requests.1.stepz",
        "There is no such field. Did you mean 'steps'?",
    )
    assert ask(client).status_code == 422
    assert ask(client, *({"prompt": "a mug"} for _ in range(1001))).status_code == 422


def test_a_request_with_a_key_is_done_once_in_whichever_body_it_comes(client, shop):
    first = {"prompt": "a red mug", "idempotency_key": "one"}
    second = {"prompt": "a blue mug", "idempotency_key": "two"}
    (made,) = ask(client, first).json()["jobs"]
    again = ask(client, second, first).json()["jobs"]
    assert [one["is_repeated"] for one in again] == [False, True]
    assert again[1]["job"]["id"] == made["job"]["id"]
    assert len(shop.all(Job)) == 2
    other = ask(client, first | {"prompt": "a green mug"})
    assert other.status_code == 422
    assert other.json()["errors"][0]["column"] == "requests.0.idempotency_key"
    assert client.delete(f"/v1/jobs/{made['job']['id']}").is_success
    (anew,) = ask(client, first).json()["jobs"]
    assert not anew["is_repeated"]
    assert anew["job"]["id"] != made["job"]["id"]


def test_the_whole_body_is_done_once_too(client, shop):
    headers = {"Idempotency-Key": "all"}
    first = ask(client, {"prompt": "a red mug"}, **headers)
    again = ask(client, {"prompt": "a red mug"}, **headers)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(shop.all(Job)) == 1


def test_the_limit_of_a_key_holds_for_all_together(client, database, shop):
    with database.session() as session:
        _, plain = create_key(session, "shop", queued_images=2)
    client.headers["Authorization"] = f"Bearer {plain}"
    refused = ask(client, *({"prompt": f"a mug no {number}"} for number in range(3)))
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_queued")
    assert shop.all(Job) == []
    assert ask(client, {"prompt": "a"}, {"prompt": "b"}).status_code == 202


@pytest.fixture
def listed(client, send, worker):
    """Three jobs of a sheet and two single ones, the oldest first."""
    batch = send(client, "sku,prompt\nA,a red mug\nB,a blue mug\nA,a green mug\n")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    jobs += [client.post("/v1/jobs", json={"prompt": p, "sku": "A"}).json() for p in "xy"]
    worker.make(jobs[1]["id"])
    return batch, [one["id"] for one in jobs]


def ids(client, **query):
    answer = client.get("/v1/jobs", params=query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


def test_jobs_are_listed_newest_first_and_by_what_is_said_of_them(client, stranger, listed):
    batch, jobs = listed
    newest = jobs[::-1]
    assert ids(client) == newest
    assert ids(client, batch=batch["id"]) == newest[2:]
    assert ids(client, sku="A") == [newest[0], newest[1], newest[2], newest[4]]
    assert ids(client, sku="A", batch=batch["id"]) == [newest[2], newest[4]]
    assert ids(client, state="succeeded") == [jobs[1]]
    assert ids(client, model="default") == newest
    assert ids(client, model="other") == []
    assert ids(client, mode="cutout") == []
    now = datetime.now(UTC)
    assert ids(client, created_after=(now - timedelta(hours=1)).isoformat()) == newest
    assert ids(client, created_before=(now - timedelta(hours=1)).isoformat()) == []
    assert ids(stranger) == []
    assert client.get("/v1/jobs", params={"created_after": "2026-01-01T00:00"}).status_code == 422


def test_pages_of_jobs_follow_each_other(client, listed):
    _, jobs = listed
    found, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/jobs", params=query).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == jobs[::-1]


def test_jobs_of_a_deleted_batch_are_not_listed(client, listed):
    batch, jobs = listed
    receipt = client.delete(f"/v1/batches/{batch['id']}").json()
    assert ids(client) == jobs[:2:-1]
    assert (receipt["jobs"], receipt["images"], receipt["is_complete"]) == (3, 1, False)
