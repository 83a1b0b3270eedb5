"""What runs often reads by indexes, however many rows are finished."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from api.views.job_lists import JobFilter, list_newest_jobs
from core import cache_stats
from core.cache_metrics import Level
from core.domain.lanes import Lane
from core.lifecycle import claims, completion, feeding, holds, loads, rescue
from core.lifecycle.source_erasure import erase_images_of
from core.sources import addresses, rows
from core.webhooks import attempts, deliveries, endpoints
from core.webhooks.attempts import AttemptVerdict, DeliveryAttempt
from tests.integration.shop import finished

pytestmark = pytest.mark.own_database

ROWS = 20_000
"""Finished jobs, each with a generation, an image, an event and a delivery."""
OPEN = 30
TABLES = ("job", "generation", "image", "webhook_event", "webhook_delivery")
WATCHED = (*TABLES, "source", "fetched_address")


@pytest.fixture
def filled(shop):
    """A database after some work: copies of one finished sheet's rows, and a few open ones."""
    with shop.database.session() as session:
        endpoints.create(session, "shop", url="https://shop.example/hook")
    (job_id,) = shop.want("old mug", batch=True).job_ids
    shop.succeed(shop.start(job_id))
    with shop.database.session() as session:
        (delivery, *_) = deliveries.claim(session, each=9, most=9, lease_seconds=60).messages
        attempts.record(session, [delivered(delivery)], disable_seconds=1)
        for table in TABLES:
            session.execute(text(COPY[table]), {"rows": ROWS})
    submission = shop.want(*(f"mug {number}" for number in range(OPEN)), batch=True)
    with shop.database.session() as session:
        for table in (*TABLES, "batch"):
            session.execute(text(f"analyze {table}"))
    return submission


def copies(table: str, **changes: str) -> str:
    """Write a statement that copies a table's finished row again and again, with other values."""
    # With `n`, so that each copy has values of its own.
    given = {"n": "n", "id": "gen_random_uuid()", **changes}
    pairs = ", ".join(f"'{column}', {value}" for column, value in given.items())
    return (
        f"insert into {table} select made.* from {table} as old, generate_series(1, :rows) as n,"
        f" lateral jsonb_populate_record(old, jsonb_build_object({pairs})) as made"
        f" where old.id = (select id from {table} limit 1)"
    )


COPY = {
    "job": copies("job", generation_id="null", cache="'exact'"),
    "generation": copies("generation", fingerprint="gen_random_uuid()"),
    "image": copies(
        "image", fingerprint="gen_random_uuid()", token="gen_random_uuid()", key="gen_random_uuid()"
    ),
    "webhook_event": copies("webhook_event"),
    "webhook_delivery": copies("webhook_delivery", state="'delivered'"),
}


def delivered(message) -> DeliveryAttempt:
    return DeliveryAttempt(
        message=message, verdict=AttemptVerdict.DELIVERED, status=204, error=None, seconds=0.1
    )


@pytest.fixture
def plans(shop):
    """Collect the plans of the statements that are executed inside a block."""

    @contextmanager
    def collecting() -> Iterator[dict[str, str]]:
        seen: list[tuple[str, Mapping[str, Any]]] = []
        found: dict[str, str] = {}

        def note(_connection, _cursor, statement, parameters, *_: object) -> None:
            seen.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

        engine = shop.database.engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield found
        finally:
            event.remove(engine, "before_cursor_execute", note)
        with engine.connect() as connection, connection.connection.cursor() as cursor:
            for statement, parameters in seen:
                if any(f" {table}" in statement.lower() for table in WATCHED):
                    cursor.execute("explain " + statement, parameters)
                    found[statement] = "\n".join(line for (line,) in cursor.fetchall())

    return collecting


def assert_indexed(found: Mapping[str, str]) -> None:
    assert found, "nothing was asked"
    for statement, plan in found.items():
        for table in WATCHED:
            assert f"Seq Scan on {table}" not in plan, f"{statement}\n{plan}"


def test_the_sweeper_reads_by_indexes(filled, plans, shop):
    for job_id in filled.job_ids[:5]:
        shop.start(job_id, lease_seconds=-1)
    everything = [(lane, first) for lane in Lane for first in (True, False)]
    with plans() as found, shop.database.session() as session:
        rescue.expire_deadlines(session)
        assert len(rescue.recover_expired(session, max_attempts=3).queued) == 5
        assert feeding.take_waiting(session, window=10, republish_seconds=0)
        rescue.take_lost(session, empty_queues=everything, republish_seconds=-1)
        rescue.forget_published(session)
    assert_indexed(found)


def test_a_workers_claims_and_records_read_by_indexes(filled, plans, shop):
    ids = [generation_id for generation_id, _ in filled.published][:8]
    with plans() as found, shop.database.session() as session:
        held = claims.claim(session, ids, owner="worker", lease_seconds=60)
        assert len(held) == 8
        assert len(holds.held(session, "worker", ids)) == 8
        holds.renew(session, "worker", ids, lease_seconds=60)
        back, *rest = held.values()
        assert holds.hand_back(session, back, published=False)
        assert len(completion.succeed(session, [finished(one) for one in rest])) == 7
    assert_indexed(found)


def test_the_outbox_is_claimed_and_recorded_by_indexes(filled, plans, shop):
    for job_id in filled.job_ids[:8]:
        shop.succeed(shop.start(job_id))
    with plans() as found, shop.database.session() as session:
        claimed = deliveries.claim(session, each=100, most=100, lease_seconds=60)
        assert len(claimed.messages) >= 8
        ended = [delivered(message) for message in claimed.messages]
        attempts.record(session, ended, disable_seconds=1)
    assert_indexed(found)


def test_a_request_reads_by_indexes(filled, plans, shop):
    with plans() as found:
        shop.want("mug 1", "old mug", "new mug", batch=True)
        with shop.database.session() as session:
            loads.load_of_tenant(session, "shop", Lane.STANDARD, window=100)
    assert_indexed(found)


@pytest.mark.parametrize("tenant", ["shop", None])
def test_what_the_caches_did_is_read_by_indexes_and_no_further_than_it_is_counted(
    filled, plans, shop, tenant
):
    with plans() as found, shop.database.session() as session:
        assert cache_stats.read(session, tenant=tenant, most=100).jobs == 100
    assert_indexed({asked: plan for asked, plan in found.items() if "FROM job" in asked})


def test_a_tenants_images_are_counted_in_an_index_alone(filled, plans, shop):
    shop.succeed(shop.start(*shop.want("cup", tenant="small").job_ids))
    with shop.database.session() as session:
        session.execute(text("analyze image"))
    with plans() as found, shop.database.session() as session:
        held = cache_stats.stored(session, tenant="small")
        assert held[Level.RESULT].entries == 1
    (plan,) = (plan for asked, plan in found.items() if "FROM image" in asked)
    assert "Index Only Scan using ix_image_held" in plan


def test_a_small_tenants_statistics_read_no_other_tenants_jobs(filled, plans, shop):
    """Beside a million jobs of others, as `GET /v1/stats` asks for them."""
    shop.want("cup", "jug", tenant="small")
    with plans() as found, shop.database.session() as session:
        assert cache_stats.read(session, tenant="small").jobs == 2
    (plan,) = (plan for asked, plan in found.items() if "FROM job" in asked)
    assert "Index Cond: (((tenant)::text = 'small'::text) AND (id >=" in plan
    assert_indexed({"jobs": plan})


def test_a_products_jobs_are_found_by_its_sku_among_many(plans, shop):
    shop.succeed(shop.start(*shop.want("old mug", batch=True).job_ids))
    with shop.database.session() as session:
        given = {"generation_id": "null", "cache": "'exact'", "sku": "'SKU-' || n"}
        session.execute(text(copies("job", **given)), {"rows": 20_000})
        session.execute(text("analyze job"))
    with plans() as found, shop.database.session() as session:
        page = list_newest_jobs(session, "shop", JobFilter(sku="SKU-77"), cursor=None, limit=50)
        assert [one.sku for one in page.items] == ["SKU-77"]
    (plan,) = (plan for asked, plan in found.items() if "FROM job" in asked)
    assert "Index Scan Backward using ix_job_tenant_sku on job" in plan
    assert_indexed({"jobs of a product": plan})


def test_shares_are_reckoned_by_indexes_where_most_of_the_table_is_queued(filled, plans, shop):
    queued = COPY["generation"].replace(" limit 1)", " where state = 'queued' limit 1)")
    with shop.database.session() as session:
        session.execute(text(queued), {"rows": 10 * ROWS})
        session.execute(text("analyze generation"))
    with plans() as found, shop.database.session() as session:
        feeding.take_waiting(session, window=10, republish_seconds=0)
        loads.load_of_tenant(session, "shop", Lane.STANDARD, window=100)
    assert_indexed(found)


SOURCES = """
with made as (
    insert into source (id, tenant, key, digest, size, content_type, width, height, file_name,
                        created_at, last_used_at, stored_at)
    select gen_random_uuid(), 'shop', '', n, 1, 'image/jpeg', 16, 16, '',
           now() - interval '2 hours', now() - n * interval '1 s', now()
    from generate_series(1, :rows) as n
    returning id, digest
)
insert into fetched_address (id, tenant, address_digest, address, source_id, fresh_until)
select gen_random_uuid(), 'shop', digest, '', id, now() from made
"""
"""Photographs that are there, each from an address."""


def test_photographs_are_found_kept_and_deleted_by_indexes(plans, shop):
    with shop.database.session() as session:
        session.execute(text(SOURCES), {"rows": ROWS})
        for table in ("source", "fetched_address"):
            session.execute(text(f"analyze {table}"))
    with plans() as found, shop.database.session() as session:
        assert rows.use(session, tenant="shop", digest="7") is not None
        assert len(rows.list_sources(session, "shop", digest=None, before=None, limit=50)) == 50
        assert addresses.look_up(session, "shop", "https://shop.example/a.jpg") is None
        # Of somebody else: most of the table is read where most of it is wanted.
        assert rows.held_bytes(session, "other") == 0
        old = rows.expire(session, seconds=ROWS - 5)
        gone = rows.doomed(session)
        assert len(gone) == old >= 5
        rows.forget(session, [one.id for one in gone])
    assert_indexed(found)


NUMBERED = """
with numbered as (select id, row_number() over (order by id) as n from generation
                  where state = 'succeeded')
"""
PHOTOGRAPHED = (
    f"{NUMBERED} update generation set photograph ="
    " jsonb_build_object('source', case n when 1 then '7' else n || ' of old' end)"
    " from numbered where numbered.id = generation.id",
    f"{NUMBERED}, made as (select id, row_number() over (order by id) as n from image)"
    " update image set generation_id = numbered.id,"
    " made_of = case n when 1 then null else array[n::text] end"
    " from made join numbered using (n) where made.id = image.id",
)
"""Each image of a photograph of its own; the first one says so by its request alone."""


def test_what_was_made_of_a_photograph_is_found_by_indexes(filled, plans, shop):
    with shop.database.session() as session:
        session.execute(text(SOURCES), {"rows": 9})
        for statement in PHOTOGRAPHED:
            session.execute(text(statement))
        for table in TABLES:
            session.execute(text(f"analyze {table}"))
        source = rows.use(session, tenant="shop", digest="7")
    with plans() as found, shop.database.session() as session:
        assert erase_images_of(session, source).counts.images == 2
    assert_indexed(found)
