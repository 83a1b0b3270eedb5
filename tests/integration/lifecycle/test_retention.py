"""Rows that are too old leave in small portions, and nothing that is needed does."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from core.db.models import ApiKey, Batch, Generation, IdempotencyRecord, Image, Job, WebhookEvent
from core.domain.lanes import Lane
from core.errors import GenerationFailedError
from core.keys import create_key, revoke_key
from core.lifecycle import completion, erasure
from core.webhooks import endpoints
from ops.eraser import Eraser, RetentionLimits
from tests.integration.shop import Shop

DAY = 24 * 3600.0

LIMITS = RetentionLimits(jobs=90 * DAY, generations=7 * DAY, keys=30 * DAY, sources=0, receipts=0)


@pytest.fixture
def eraser(database, storage) -> Callable[..., Eraser]:
    def eraser(**values: float) -> Eraser:
        limits = RetentionLimits(**vars(LIMITS) | values)
        return Eraser(database=database, storage=storage, limits=limits)

    return eraser


def age(shop: Shop, *, days: float) -> None:
    """Make everything that is there so much older."""
    with shop.database.session() as session:
        for table in ("batch", "job", "generation", "image", "webhook_event", "api_key"):
            columns = session.execute(
                text(
                    "select column_name from information_schema.columns where table_name = :table "
                    "and data_type = 'timestamp with time zone'"
                ),
                {"table": table},
            ).scalars()
            older = ", ".join(f"{one} = {one} - make_interval(days => :days)" for one in columns)
            session.execute(text(f"update {table} set {older}"), {"days": days})


def make(shop: Shop, *products: str, **values: object) -> None:
    """Want images, and make them."""
    for job in shop.want(*products, **values).job_ids:
        if shop.job(job).image_id is None:
            shop.succeed(shop.start(job))


def numbers(shop: Shop) -> dict[str, int]:
    return {table.__name__: len(shop.all(table)) for table in (Batch, Job, Generation, Image)}


def test_a_batch_and_a_single_job_go_when_they_are_too_old_and_not_before(shop, eraser):
    make(shop, "red mug", "blue mug", batch=True, lane=Lane.BULK)
    make(shop, "green mug")
    age(shop, days=89)
    eraser().clean()
    assert numbers(shop) == {"Batch": 1, "Job": 3, "Generation": 3, "Image": 3}
    age(shop, days=2)
    eraser(jobs=0).clean()
    assert numbers(shop)["Job"] == 3, "for ever"
    eraser().clean()
    # Images have limits of their own, and what made them is kept as long as they are.
    assert numbers(shop) == {"Batch": 0, "Job": 0, "Generation": 3, "Image": 3}
    with shop.database.session() as session:
        session.execute(text("delete from image"))
    eraser().clean()
    assert shop.generations() == []


def test_what_is_not_finished_stays_however_old_it_is(shop, eraser):
    shop.want("red mug", "blue mug", batch=True, lane=Lane.BULK)
    (alone,) = shop.want("green mug").job_ids
    shop.start(alone)
    age(shop, days=400)
    eraser().clean()
    assert numbers(shop) == {"Batch": 1, "Job": 3, "Generation": 3, "Image": 0}


def test_an_image_that_a_young_job_has_stays_with_what_made_it(shop, eraser):
    make(shop, "red mug", batch=True, lane=Lane.BULK)
    age(shop, days=91)
    (young,) = shop.want("red mug").job_ids
    assert shop.job(young).image_id
    for _ in range(2):
        eraser().clean()
    assert numbers(shop) == {"Batch": 0, "Job": 1, "Generation": 1, "Image": 1}
    assert shop.generations()[0].prompt == "red mug"


def test_a_failed_generation_that_nobody_needs_is_deleted_after_its_time(shop, eraser):
    (job,) = shop.want("red mug").job_ids
    with shop.database.session() as session:
        completion.fail(session, shop.start(job), GenerationFailedError("red mug is too hard"))
    age(shop, days=91)
    with shop.database.session() as session:
        session.execute(text("update generation set finished_at = now() - interval '6 days'"))
    eraser().clean()
    (left,) = shop.generations()
    assert (left.prompt, left.error_message, left.tenant, left.fingerprint) == ("", None, "", "")
    age(shop, days=2)
    eraser().clean()
    assert shop.generations() == []


def test_ended_keys_are_listed_as_long_as_the_setting_says(shop, eraser):
    with shop.database.session() as session:
        revoked, _ = create_key(session, "shop", "revoked")
        create_key(session, "shop", "expired", expires_seconds=1)
        create_key(session, "shop", "works")
        revoke_key(session, revoked.id)
    age(shop, days=31)
    eraser(keys=0).clean()
    assert len(shop.all(ApiKey)) == 3
    eraser().clean()
    assert [key.name for key in shop.all(ApiKey)] == ["works"]


def test_a_pass_does_a_bounded_piece_of_work(shop, eraser, monkeypatch):
    monkeypatch.setattr(erasure, "JOBS", 3)
    monkeypatch.setattr(erasure, "BATCHES", 2)
    monkeypatch.setattr("ops.eraser.PORTIONS", 2)
    for number in range(4):
        make(shop, *(f"mug {number} {one}" for one in range(4)), batch=True, lane=Lane.BULK)
    age(shop, days=91)
    left = []
    while shop.all(Job):
        eraser().clean()
        left.append((len(shop.all(Batch)), len(shop.all(Job))))
        assert len(left) < 10
    assert left[0][1] == 16 - 2 * 3
    assert left[-1] == (0, 0)


def test_events_of_an_old_batch_go_with_it(shop, eraser):
    with shop.database.session() as session:
        endpoints.create(session, "shop", url="https://shop.example/")
    make(shop, "red mug", batch=True, lane=Lane.BULK)
    make(shop, "blue mug")
    assert len(shop.all(WebhookEvent)) >= 3
    age(shop, days=91)
    eraser().clean()
    assert shop.all(WebhookEvent) == []


def test_tables_are_flat_over_a_year(shop, eraser):
    """A batch and a single job a week; what is there after three months is there after twelve."""
    sizes = []
    for week in range(52):
        make(shop, f"mug {week}", f"jug {week}", batch=True, lane=Lane.BULK)
        make(shop, f"cup {week}")
        age(shop, days=7)
        with shop.database.session() as session:
            # As the janitor does, by the limits of images.
            session.execute(text("update job set image_id = null"))
            session.execute(text("delete from image where created_at < now() - interval '30 days'"))
        eraser().clean()
        sizes.append(numbers(shop))
    assert sizes[20] == sizes[51]
    assert sizes[51]["Batch"] < 15
    assert shop.all(IdempotencyRecord) == []


@pytest.mark.own_database
def test_every_portion_is_found_by_an_index(shop, database):
    """Also where the planner would rather read so small a table as a whole."""
    make(shop, "red mug", batch=True, lane=Lane.BULK)
    make(shop, "blue mug")
    with database.session() as session:
        session.execute(text("set local enable_seqscan = off"))
        for statement, index in (
            ("select id from batch where deleted_at is not null order by deleted_at limit 100",
             "ix_batch_deleted"),
            ("select id from batch where finished_at < now() order by finished_at limit 100",
             "ix_batch_finished"),
            ("select id from job where batch_id is null and finished_at < now() "
             "order by finished_at limit 1000", "ix_job_finished_alone"),
            ("select id from webhook_event where batch_id = any(array[gen_random_uuid()])",
             "ix_webhook_event_batch"),
            ("select id from webhook_event where batch_id is null and job_id = "
             "any(array[gen_random_uuid()])", "ix_webhook_event_job"),
            ("select 1 from idempotency_record where resource = any(array['/v1/jobs/1'])",
             "ix_idempotency_record_resource"),
        ):  # fmt: skip
            plan = "\n".join(session.execute(text(f"explain {statement}")).scalars())
            assert index in plan, plan
