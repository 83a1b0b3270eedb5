"""Failed rows of a batch, tried again."""

import pytest

from core.db import bulk_insert
from core.db.models import WebhookEvent
from core.errors import DeadlineExceededError, GenerationFailedError
from core.keys import create_key, list_keys
from core.lifecycle import feeding
from tests.integration.api.conftest import describe_bundle

SHEET = "sku,prompt\nA,a red mug\nB,a blue mug\nC,a red mug\nD,a green mug\n"


@pytest.fixture
def failed(client, send, worker):
    """A batch of four rows, of which A and C failed together, B succeeded, D is waiting."""
    batch = send(client, SHEET)
    jobs = client.get(batch["links"]["items"]).json()["items"]
    worker.fail(jobs[0]["id"], GenerationFailedError("bad latents"))
    worker.make(jobs[1]["id"])
    return batch["id"], [job["id"] for job in jobs]


def retry(client, batch_id, **body):
    return client.post(f"/v1/batches/{batch_id}/retry", json=body or None)


def test_failed_rows_are_tried_again_and_no_others(client, shop, worker, failed):
    batch_id, jobs = failed
    worker.make(jobs[3])
    assert client.get(f"/v1/batches/{batch_id}").json()["state"] == "completed"
    old = shop.job(jobs[0]).generation_id
    images = [shop.job(one).image_id for one in (jobs[1], jobs[3])]

    answer = retry(client, batch_id)

    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "running"
    assert answer.json()["finished_at"] is None
    assert answer.json()["counts"] == {
        "queued": 2, "running": 0, "succeeded": 2, "failed": 0, "canceled": 0
    }  # fmt: skip
    first, second = shop.job(jobs[0]), shop.job(jobs[2])
    assert first.generation_id == second.generation_id != old, "equal rows are computed once"
    assert (first.error_code, first.error_message, first.finished_at) == (None, None, None)
    assert [shop.job(one).image_id for one in (jobs[1], jobs[3])] == images
    with shop.database.session() as session:
        sent = feeding.take_waiting(session, window=10, republish_seconds=3600)
    assert [one.generation_id for one in sent] == [first.generation_id]
    worker.make(jobs[0])
    done = client.get(f"/v1/batches/{batch_id}").json()
    assert (done["state"], done["counts"]["succeeded"]) == ("completed", 4)


def test_it_counts_for_the_key_that_sent_the_batch(client, database, failed):
    batch_id, _ = failed
    with database.session() as session:
        (sender,) = list_keys(session, "shop")
        sender.queued_images = 2
        session.add(sender)
        _, limited = create_key(session, "shop", queued_images=1)
    headers = {"Authorization": f"Bearer {limited}"}
    refused = client.post(f"/v1/batches/{batch_id}/retry", headers=headers)
    assert refused.status_code == 429
    assert "may have 2 images" in refused.json()["detail"]
    with database.session() as session:
        (sender, _) = list_keys(session, "shop")
        sender.queued_images = 3
        session.add(sender)
    assert client.post(f"/v1/batches/{batch_id}/retry", headers=headers).status_code == 202


def test_it_may_fail_and_be_tried_again(client, worker, failed):
    batch_id, jobs = failed
    for _ in range(2):
        assert retry(client, batch_id).json()["counts"]["queued"] == 3
        worker.fail(jobs[0], GenerationFailedError("bad latents"))
        assert client.get(f"/v1/batches/{batch_id}").json()["counts"]["failed"] == 2


def test_a_batch_without_failures_stays_as_it_is(client, send):
    batch = send(client, SHEET)
    answer = retry(client, batch["id"])
    assert answer.status_code == 202
    assert answer.json()["counts"]["queued"] == 4


def test_an_image_that_is_there_by_now_answers(client, worker, failed, shop):
    batch_id, jobs = failed
    single = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(single["id"])
    counts = retry(client, batch_id).json()["counts"]
    assert (counts["queued"], counts["succeeded"]) == (1, 3)
    job = client.get(f"/v1/jobs/{jobs[0]}").json()
    assert (job["state"], job["cache"]) == ("succeeded", "exact")
    worker.make(jobs[3])
    assert client.get(f"/v1/batches/{batch_id}").json()["state"] == "completed"


def test_what_is_being_computed_is_joined(client, worker, failed, shop):
    batch_id, jobs = failed
    single = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    retry(client, batch_id)
    assert shop.job(jobs[0]).generation_id == shop.job(single["id"]).generation_id


def test_many_rows_are_tried_again_as_few_are(client, worker, shop, send, monkeypatch):
    monkeypatch.setattr(bulk_insert, "MANY", 2)
    lines = "".join(f"{number},mug {number % 9}\n" for number in range(18))
    batch = send(client, "sku,prompt\n" + lines)
    jobs = [job["id"] for job in client.get(batch["links"]["items"]).json()["items"]]
    for job in jobs[:9]:
        worker.fail(job, GenerationFailedError("bad latents"))
    single = client.post("/v1/jobs", json={"prompt": "mug 4"}).json()["id"]

    assert retry(client, batch["id"]).json()["counts"]["queued"] == 18

    generations = [shop.job(job).generation_id for job in jobs]
    assert generations[:9] == generations[9:], "equal rows are computed once"
    assert len(set(generations)) == 9
    assert generations[4] == shop.job(single).generation_id
    for job in jobs[:9]:
        worker.make(job)
    assert client.get(f"/v1/batches/{batch['id']}").json()["state"] == "completed"


def test_work_that_shares_nothing_is_tried_again_alone(client, worker, shop, send):
    batch = send(client, "sku,prompt\nA,a red mug\nB,a red mug\n", cache="bypass")
    jobs = [job["id"] for job in client.get(batch["links"]["items"]).json()["items"]]
    for job in jobs:
        worker.fail(job, GenerationFailedError())
    retry(client, batch["id"])
    generations = {shop.job(job).generation_id for job in jobs}
    assert len(generations) == 2
    assert not any(shop.generation(one).reusable for one in generations)


def test_a_deadline_that_passed_counts_no_more(client, worker, shop, send):
    batch = send(client, "sku,prompt\nA,a red mug\n", deadline_seconds=3600)
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    worker.fail(job["id"], DeadlineExceededError())
    retry(client, batch["id"])
    assert shop.job(job["id"]).deadline_at is None
    worker.fail(job["id"], DeadlineExceededError())
    retry(client, batch["id"], deadline_seconds=60)
    assert shop.job(job["id"]).deadline_at is not None


def test_a_cancelled_batch_stays_cancelled(client, failed, shop):
    batch_id, jobs = failed
    client.post(f"/v1/batches/{batch_id}/cancel")
    answer = retry(client, batch_id)
    assert answer.status_code == 409
    assert "cancelled" in answer.json()["detail"]
    assert shop.job(jobs[0]).state == "failed"


def test_another_model_does_not_make_what_was_promised_from_this_one(client, failed, bundle):
    batch_id, _ = failed
    describe_bundle(bundle, revision="2")
    answer = retry(client, batch_id)
    assert answer.status_code == 409
    assert "Send the sheet again" in answer.json()["detail"]


def test_the_batch_s_new_end_is_told_again(client, shop, worker, send):
    client.post("/v1/webhook-endpoints", json={"url": "https://shop.example/"})
    batch = send(client, "sku,prompt\nA,a red mug\n")
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    worker.fail(job["id"], GenerationFailedError())
    retry(client, batch["id"])
    worker.make(job["id"])
    told = [event.type for event in sorted(shop.all(WebhookEvent), key=lambda one: one.id)]
    assert [one for one in told if one != "batch.progress"] == [
        "image.failed",
        "batch.completed",
        "image.completed",
        "batch.completed",
    ]
