"""What each key used: counted once, whoever joined, and of one's own tenant only."""

from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import text

from core.keys import create_key

PROMPTS = ("a red mug", "a blue mug")


def usage_of(client, **query) -> dict[str, dict]:
    answer = client.get("/v1/usage", params=query)
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["items"]}


def second_key(client, database) -> httpx.Client:
    with database.session() as session:
        _, key = create_key(session, "shop", "second")
        session.commit()
    return httpx.Client(base_url=client.base_url, headers={"Authorization": f"Bearer {key}"})


def test_computing_counts_for_the_key_that_asked_first(client, database, worker, stranger, shop):
    with second_key(client, database) as second:
        first = client.post("/v1/jobs", json={"prompt": PROMPTS[0]}).json()["id"]
        joined = second.post("/v1/jobs", json={"prompt": PROMPTS[0]}).json()
        image = worker.make(first)
        sheet = {"rows": [{"sku": "B", "prompt": PROMPTS[1]}, {"sku": "A", "prompt": PROMPTS[0]}]}
        batch = second.post("/v1/batches", json=sheet).json()
        assert (joined["cache"], batch["total"]) == ("coalesced", 2)
        with database.session() as session:
            session.execute(text("update generation set seconds = 2.5 where state = 'succeeded'"))
            session.commit()
        found = usage_of(client)
        assert found["second"] == {
            "api_key_id": found["second"]["api_key_id"], "name": "second",
            "jobs": 3, "images": 2, "failed": 0, "computed": 0, "seconds": 0.0, "bytes_stored": 0,
        }  # fmt: skip
        (own,) = (one for name, one in found.items() if name != "second")
        assert (own["jobs"], own["images"], own["computed"]) == (1, 1, 1)
        assert (own["seconds"], own["bytes_stored"]) == (2.5, image.size)
    assert usage_of(stranger) == {}


def test_jobs_outside_of_the_time_do_not_count_and_times_are_checked(client):
    client.post("/v1/jobs", json={"prompt": PROMPTS[0]})
    now = datetime.now(UTC)
    assert usage_of(client, until=(now - timedelta(minutes=1)).isoformat()) == {}
    assert usage_of(client, since=(now - timedelta(minutes=1)).isoformat()) != {}
    assert client.get("/v1/usage", params={"until": "0001-01-01T00:00:00Z"}).status_code == 422
    for since in (now + timedelta(days=1), now - timedelta(days=500)):
        answer = client.get("/v1/usage", params={"since": since.isoformat()})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert client.get("/v1/usage", params={"since": "2026-01-01T00:00:00"}).status_code == 422
