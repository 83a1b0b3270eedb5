"""What requests leave to the housekeeping comes in its turn, and nothing of it is forgotten."""

import pytest
from sqlalchemy import event

from core.db.models import Backlog, Batch
from core.domain.lanes import Lane, Message
from core.errors import GenerationFailedError
from core.lifecycle import (
    backlogs,
    cancellation,
    completion,
    feeding,
    holds,
    loads,
    rescue,
    retry,
)
from core.lifecycle.submission import submit
from tests.integration.shop import wanted

pytestmark = pytest.mark.own_database

ROWS = 2000
"""Enough of a sheet that comes in for a look at each to show in the pages that are read."""


@pytest.fixture
def take(shop):
    def take(window: int) -> list:
        with shop.database.session() as session:
            messages = feeding.take_waiting(session, window=window, republish_seconds=3600)
        return [message.generation_id for message in messages]

    return take


@pytest.fixture
def close(shop):
    """Do as the sweeper does; tell how many backlogs are left."""

    def close() -> int:
        with shop.database.session() as session:
            backlogs.close_empty(session)
        return len(shop.all(Backlog))

    return close


@pytest.fixture
def sheet(shop):
    """Order a sheet that sends its first message itself; give its generations in its order."""

    def sheet(rows: int, **values) -> list:
        products = [f"mug {number}" for number in range(rows)]
        submission = shop.want(*products, batch=True, publishes=1, **values)
        with shop.database.session() as session:
            messages = [Message(*one) for one in submission.published]
            feeding.mark_published(session, messages)
        return [shop.generation_of(job_id) for job_id in submission.job_ids]

    return sheet


def test_the_rows_come_in_their_order_after_what_came_back(shop, sheet, take):
    rows = sheet(6)
    with shop.database.session() as session:
        holds.retry_later(session, shop.claim(rows[0]), delay_seconds=0)
    assert take(3) == rows[:3]
    assert take(6) == rows[3:]


def test_one_is_kept_while_something_of_it_waits(sheet, take, close):
    sheet(9)
    assert close() == 1
    take(5)
    assert close() == 1
    take(9)
    assert close() == 0


def test_that_of_a_cancelled_sheet_is_closed(shop, sheet, take, close):
    rows = sheet(4)
    (job, *_) = shop.jobs(generation_id=rows[0])
    with shop.database.session() as session:
        cancellation.cancel_batch(session, job.batch_id)
    assert close() == 0
    assert take(9) == []


def test_what_a_message_reached_though_that_was_not_noted_is_not_lost_with_it(
    shop, sheet, take, close
):
    """The messages of a pass are sent before its commit, and the commit may fail."""
    rows = sheet(2)
    shop.claim(rows[1], lease_seconds=0)
    assert close() == 0
    with shop.database.session() as session:
        assert rescue.recover_expired(session, max_attempts=3).queued == [rows[1]]
    assert take(9) == [rows[1]]


def test_what_moves_to_another_lane_leaves_it(shop, sheet, take, close):
    rows = sheet(3, lane=Lane.BULK)
    joined = shop.want("mug 2", lane=Lane.INTERACTIVE)
    assert [identity for identity, _ in joined.published] == [rows[2]]
    with shop.database.session() as session:
        feeding.release(session, [rows[2]])
    with shop.database.session() as session:
        messages = feeding.take_waiting(session, window=9, republish_seconds=3600)
    assert {(one.generation_id, one.lane) for one in messages} == {
        (rows[1], Lane.BULK),
        (rows[2], Lane.INTERACTIVE),
    }
    assert close() == 0


def test_failed_rows_that_are_tried_again_wait_in_one(shop, sheet, take, close):
    rows = sheet(2)
    take(9)
    assert close() == 0
    with shop.database.session() as session:
        for row in rows:
            completion.fail(session, shop.claim(row), GenerationFailedError())
    (job, *_) = shop.jobs(generation_id=rows[0])
    with shop.database.session() as session:
        batch = session.get_one(Batch, job.batch_id)
        failed = retry.failed_jobs(session, batch.id)
        retry.retry_jobs(session, batch, failed, revisions=[shop.model.revision])
    assert close() == 1
    assert len(take(9)) == 2
    assert close() == 0


def test_nobody_looks_at_the_rows_of_a_sheet_that_comes_in(shop, sheet):
    sheet(3)
    before = _pages(shop)
    with shop.database.session() as session:
        products = [wanted(f"cup {number}") for number in range(ROWS)]
        comes_in = {"tenant": "shop", "lane": Lane.STANDARD}
        submit(session, products, **comes_in, publishes=1)
        during = _pages(shop)
        session.rollback()
    assert during <= before + 20, f"{before} pages, {during} with {ROWS} rows more"


def _pages(shop) -> int:
    """Count the pages that a pass of the housekeeping and a request's look read."""
    total = 0

    def count(_connection, cursor, statement, parameters, *_: object) -> None:
        nonlocal total
        explained = cursor.connection.execute(
            f"explain (analyze, buffers, format json) {statement}", parameters
        )
        ((document,),) = explained.fetchall()
        total += (
            document[0]["Plan"]["Shared Hit Blocks"] + document[0]["Plan"]["Shared Read Blocks"]
        )

    event.listen(shop.database.engine, "before_cursor_execute", count)
    try:
        with shop.database.session() as session:
            loads.load_everywhere(session, window=9, republish_seconds=0)
            loads.load_of_tenant(session, "shop", Lane.STANDARD, window=9)
    finally:
        event.remove(shop.database.engine, "before_cursor_execute", count)
    return total
