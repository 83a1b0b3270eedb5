"""What is told of every end that a job and a batch can have, and that nothing else is."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import event, text

from core.db import bulk_insert
from core.db.models import Batch, Job
from core.errors import GenerationFailedError
from core.lifecycle import cancellation, completion, rescue
from core.webhooks import endpoints, payloads
from core.webhooks.event_types import EventType
from tests.integration.shop import wanted

URL = "https://shop.example/hook"


def test_nothing_is_written_while_nobody_listens(shop, listening):
    job_id, *_ = shop.want("mug", "cup", batch=True).job_ids
    shop.succeed(shop.start(job_id))
    assert listening.events() == []
    assert listening.deliveries() == []


def test_a_finished_image_is_told_with_what_is_known_of_it(shop, listening):
    listening.register(URL)
    (job_id,) = shop.want(wanted("mug", sku="MUG-1", line=2)).job_ids
    shop.succeed(shop.start(job_id))
    (event,) = listening.events()
    assert (event.type, event.job_id, event.batch_id) == ("image.completed", job_id, None)
    assert event.sequence == 1
    assert event.data == {
        "job_id": str(job_id),
        "batch_id": None,
        "sku": "MUG-1",
        "variant": 1,
        "line": 2,
        "state": "succeeded",
        "approval": "pending",
        "cache": "miss",
        "error": None,
        "image": {
            "content_type": "image/png",
            "digest": "0" * 64,
            "size": 1,
            "width": 64,
            "height": 64,
        },
    }


def test_a_failed_image_is_told_with_its_reason(shop, listening):
    listening.register(URL)
    (job_id,) = shop.want("mug").job_ids
    claim = shop.start(job_id)
    with shop.database.session() as session:
        completion.fail(session, claim, GenerationFailedError("no " * 2000))
    (event,) = listening.events()
    assert event.type == "image.failed"
    assert event.data["error"]["code"] == "generation_failed"
    assert event.data["error"]["retry_helps"] is True
    assert len(event.data["error"]["message"]) == payloads.MOST_REASON
    assert event.data["image"] is None


def test_a_batch_is_told_in_the_order_of_its_sequence_numbers(shop, listening):
    listening.register(URL)
    jobs = shop.want("mug", "cup", "mug", batch=True).job_ids
    shop.succeed(shop.start(jobs[0]))
    claim = shop.start(jobs[1])
    with shop.database.session() as session:
        completion.fail(session, claim, GenerationFailedError())
    batch = shop.batch_of(jobs[0])
    assert listening.told(batch_id=batch.id) == [
        *("image.completed", "image.completed", "image.failed"),
        "batch.completed",
    ]
    assert sorted(event.sequence for event in listening.events()) == [1, 2, 3, 4]
    end = next(event for event in listening.events() if event.type == "batch.completed")
    assert end.data == {
        "batch_id": str(batch.id),
        "name": "",
        "state": "completed",
        "total": 3,
        "finished": 3,
        "counts": {"queued": 0, "running": 0, "succeeded": 2, "failed": 1, "canceled": 0},
    }


def test_progress_is_told_now_and_then(shop, listening):
    listening.register(URL, EventType.BATCH_PROGRESS)
    jobs = shop.want("mug", "cup", "jug", "pot", batch=True).job_ids
    shop.succeed(shop.start(jobs[0]))
    assert listening.told() == []  # the batch has only just begun
    with shop.database.session() as session:
        session.get_one(Batch, shop.batch_of(jobs[0]).id).created_at = datetime(
            2020, 1, 1, tzinfo=UTC
        )
    shop.succeed(shop.start(jobs[1]))
    shop.succeed(shop.start(jobs[2]))
    (event,) = listening.events()
    assert (event.type, event.data["finished"], event.data["total"]) == ("batch.progress", 2, 4)
    assert "counts" not in event.data


def test_a_cancelled_batch_is_told_once_and_its_jobs_are_not(shop, listening):
    listening.register(URL)
    jobs = shop.want("mug", "cup", batch=True).job_ids
    batch = shop.batch_of(jobs[0])
    for _ in range(2):
        with shop.database.session() as session:
            cancellation.cancel_batch(session, batch.id)
    (event,) = listening.events()
    assert event.type == "batch.canceled"
    assert event.data["counts"]["canceled"] == 2


def test_cancelling_every_job_one_by_one_completes_the_batch(shop, listening):
    listening.register(URL)
    for job_id in shop.want("mug", "cup", batch=True).job_ids:
        with shop.database.session() as session:
            cancellation.cancel_job(session, job_id)
    assert listening.told() == ["batch.completed"]


def test_a_passed_deadline_is_told(shop, listening, at):
    listening.register(URL)
    (job_id,) = shop.want(wanted("mug", deadline_at=at(seconds=-1))).job_ids
    with shop.database.session() as session:
        rescue.expire_deadlines(session)
    (event,) = listening.events()
    assert (event.type, event.job_id) == ("image.failed", job_id)
    assert event.data["error"]["code"] == "deadline_exceeded"


def test_a_poisonous_image_is_told(shop, listening, lose):
    listening.register(URL)
    (job_id,) = shop.want("mug").job_ids
    for _ in range(3):
        lose(shop.start(job_id))
    assert listening.told() == ["image.failed"]
    assert listening.events()[0].data["error"]["code"] == "worker_lost"


def test_what_is_in_store_is_told_at_once(shop, listening):
    (first,) = shop.want("mug").job_ids
    shop.succeed(shop.start(first))
    listening.register(URL)
    jobs = shop.want("mug", "mug", batch=True).job_ids
    batch = shop.batch_of(jobs[0])
    assert listening.told(batch_id=batch.id) == [
        *("image.completed", "image.completed", "batch.completed")
    ]
    assert {event.data.get("cache") for event in listening.events()} == {"exact", None}


def test_a_single_image_from_store_is_told(shop, listening):
    (first,) = shop.want("mug").job_ids
    shop.succeed(shop.start(first))
    listening.register(URL)
    (job_id,) = shop.want("mug").job_ids
    (event,) = listening.events()
    assert (event.type, event.job_id) == ("image.completed", job_id)


def test_a_filter_lets_only_its_types_through(shop, listening):
    everything = listening.register(URL).endpoint.id
    ends = listening.register(URL, EventType.BATCH_COMPLETED).endpoint.id
    (job_id,) = shop.want("mug", batch=True).job_ids
    shop.succeed(shop.start(job_id))
    events = {event.id: event.type for event in listening.events()}
    told = [(one.endpoint_id, events[one.event_id]) for one in listening.deliveries()]
    assert sorted(told, key=str) == sorted(
        [
            (everything, "image.completed"),
            (everything, "batch.completed"),
            (ends, "batch.completed"),
        ],
        key=str,
    )


@pytest.mark.parametrize("how", ["disabled", "deleted", "another tenant's"])
def test_who_may_not_be_told_is_not(shop, listening, how):
    tenant = "stranger" if how == "another tenant's" else "shop"
    shown = listening.register(URL, tenant=tenant)
    with shop.database.session() as session:
        endpoint = endpoints.find(session, tenant, shown.endpoint.id, lock=True)
        if how == "disabled":
            endpoints.update(session, endpoint, disabled=True)
        elif how == "deleted":
            endpoints.delete(session, endpoint)
    (job_id,) = shop.want("mug").job_ids
    shop.succeed(shop.start(job_id))
    assert listening.events() == []


def test_a_callback_hears_of_its_own_job_alone(shop, listening):
    one, two = shop.want(wanted("mug", callback_url=URL), wanted("mug")).job_ids
    shop.succeed(shop.start(one))
    (event,) = listening.events()
    assert event.job_id == one
    (delivery,) = listening.deliveries()
    assert (delivery.url, delivery.endpoint_id) == (URL, None)
    assert shop.job(two).callback_url is None


def test_a_callback_changes_no_fingerprint():
    assert wanted("mug", callback_url=URL).fingerprint() == wanted("mug").fingerprint()


def test_a_batchs_callback_hears_of_the_batch_and_not_of_every_image(shop, listening):
    jobs = shop.want("mug", "cup", batch=True).job_ids
    with shop.database.session() as session:
        session.get_one(Batch, shop.batch_of(jobs[0]).id).callback_url = URL
    for job_id in jobs:
        shop.succeed(shop.start(job_id))
    assert listening.told() == ["batch.completed"]


def test_what_is_rolled_back_was_never_told(shop, listening):
    listening.register(URL)
    (job_id,) = shop.want("mug").job_ids
    claim = shop.start(job_id)
    with shop.database.session() as session:
        completion.fail(session, claim, GenerationFailedError())
        session.rollback()
    assert listening.events() == []
    assert shop.job(job_id).state == "running"


def test_a_large_sheet_from_store_is_told_in_a_few_statements(
    shop, listening, statements, monkeypatch
):
    # COPY is no statement that is seen here: neither sheet's rows, or both.
    monkeypatch.setattr(bulk_insert, "MANY", 1)
    (first,) = shop.want("mug").job_ids
    shop.succeed(shop.start(first))
    listening.register(URL)
    with statements() as few:
        shop.want(*["mug"] * 2, batch=True)
    with statements() as many:
        shop.want(*["mug"] * 300, batch=True)
    assert len(many) == len(few)
    assert len(listening.deliveries()) == 2 + 300 + 2


@pytest.mark.own_database
def test_the_look_is_at_an_index(shop, listening, database):
    """However many tenants have endpoints."""
    (job_id,) = shop.want("mug").job_ids
    claim = shop.start(job_id)
    with database.session() as session:
        session.execute(
            text(
                "insert into webhook_endpoint (id, tenant, url, description, secret)"
                " select gen_random_uuid(), 'tenant ' || n, '', '', ''"
                " from generate_series(1, 3000) n"
            )
        )
        session.execute(text("analyze webhook_endpoint"))
    plans = []

    def explain(_connection, cursor, statement, parameters, *_):
        if "FROM webhook_endpoint" in statement:
            found = cursor.connection.execute(f"explain {statement}", parameters)
            plans.append("\n".join(line for (line,) in found))

    event.listen(database.engine, "before_cursor_execute", explain)
    try:
        shop.succeed(claim)
    finally:
        event.remove(database.engine, "before_cursor_execute", explain)
    (plan,) = plans
    assert "ix_webhook_endpoint_tenant" in plan
    assert "Seq Scan" not in plan


def test_who_does_not_listen_costs_one_look(shop, listening, statements):
    (first,), (second,) = shop.want("mug").job_ids, shop.want("cup").job_ids
    claims = [shop.start(first), shop.start(second)]
    with statements() as silent:
        shop.succeed(claims[0])
    assert sum("webhook" in one for one in silent) == 1
    assert Job.__tablename__ in " ".join(silent)
