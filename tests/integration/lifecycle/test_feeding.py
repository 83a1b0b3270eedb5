"""Whose message is sent next."""

from collections import Counter

import pytest
from sqlalchemy import event, text

from core.domain.lanes import FIRST, Lane, Message
from core.lifecycle import feeding, loads

pytestmark = pytest.mark.own_database

WINDOW = 8


@pytest.fixture
def take(shop):
    def take(window: int = WINDOW) -> list[Message]:
        with shop.database.session() as session:
            return list(feeding.take_waiting(session, window=window, republish_seconds=0))

    return take


@pytest.fixture
def sheet(shop):
    """Order a sheet; give its generations in the order of its rows."""

    def sheet(tenant: str, rows: int, **values):
        products = [f"{tenant} {number}" for number in range(rows)]
        return [one for one, _ in shop.want(*products, tenant=tenant, **values).published]

    return sheet


def ids(messages):
    return [message.generation_id for message in messages]


def test_a_tenant_has_a_window_of_messages_in_a_lane_and_the_rest_waits(take, sheet, shop):
    rows = sheet("large", 20)
    assert ids(take()) == rows[:WINDOW]
    assert take() == []
    for generation_id in rows[:3]:
        shop.claim(generation_id)
    assert ids(take()) == rows[WINDOW : WINDOW + 3], "as much as workers took"


def test_each_lane_has_a_window_of_its_own(take, sheet):
    sheet("large", 20)
    take()
    assert len(take()) == 0
    assert len(sheet("large", 0)) == 0
    bulk = sheet("large bulk", 5, lane=Lane.BULK)
    assert {message.lane for message in take()} == {Lane.BULK}
    assert bulk


def test_tenants_take_turns(take, sheet):
    large, small = sheet("large", 20), sheet("small", 5)
    turns = ids(take())
    assert turns[:10] == [one for pair in zip(large, small, strict=False) for one in pair][:10]
    assert turns[10:] == large[5:WINDOW]


def test_who_has_next_to_nothing_goes_to_the_first_queue(take, sheet, shop):
    sheet("large", FIRST + 1)
    single = sheet("small", 1)
    firsts = [message.generation_id for message in take() if message.first]
    assert firsts == single
    assert shop.generation(single[0]).published_first


def test_a_request_that_finds_its_window_full_leaves_its_rows_to_others(sheet, shop, take):
    rows = sheet("large", WINDOW)
    take()
    assert rows
    new = shop.want("one more", "another", tenant="large").published
    with shop.database.session() as session:
        messages, waiting = feeding.split(session, "large", new, window=WINDOW + 1)
        feeding.release(session, waiting)
    assert len(messages) == 1
    assert not messages[0].first
    with shop.database.session() as session:
        feeding.mark_published(session, messages)
    shop.claim(rows[0])
    assert ids(take(WINDOW + 1)) == waiting, "at once"


def test_a_request_sends_its_first_images_to_the_first_queue(shop):
    new = shop.want(*(f"mug {number}" for number in range(FIRST + 2))).published
    with shop.database.session() as session:
        messages, waiting = feeding.split(session, "shop", new, window=100)
    assert [message.first for message in messages] == [True] * FIRST + [False] * 2
    assert waiting == []


def test_running_images_count_for_the_first_queue(shop):
    new = shop.want(*(f"mug {number}" for number in range(FIRST))).published
    for generation_id, _ in new:
        shop.claim(generation_id)
    with shop.database.session() as session:
        (message,), _ = feeding.split(session, "shop", shop.want("cup").published, window=100)
    assert not message.first


def test_a_sheet_larger_than_the_callers_part_is_marked_for_the_housekeeping(shop, take):
    submission = shop.want(*(f"mug {number}" for number in range(5)), publishes=2)
    assert len(submission.published) == 2
    with shop.database.session() as session:
        rest = feeding.take_waiting(session, window=10, republish_seconds=3600)
    assert len(rest) == 3
    assert not set(ids(rest)) & {one for one, _ in submission.published}


def test_picking_uses_an_index_and_sorts_nothing(shop, sheet):
    sheet("a", 30)
    seen = []

    def watch(connection, cursor, statement, parameters, *_):
        seen.append((statement, parameters))

    event.listen(shop.database.engine, "before_cursor_execute", watch)
    with shop.database.session() as session:
        (load,) = loads.load_everywhere(session, window=10, republish_seconds=0)
        feeding._take(session, load, 10, 0)
    event.remove(shop.database.engine, "before_cursor_execute", watch)
    (picking,) = [one for one in seen if "SKIP LOCKED" in one[0]]
    with shop.database.engine.connect() as connection:
        connection.execute(text("set local enable_seqscan = off"))
        lines = connection.exec_driver_sql("explain " + picking[0], picking[1]).scalars()
        plan = "\n".join(lines)
    assert "ix_generation_queued" in plan
    assert "Sort" not in plan


def test_counting_uses_an_index(shop, sheet):
    """Also where the planner would rather read so small a table as a whole."""
    for tenant in ("a", "b"):
        sheet(tenant, 30)
    seen = []

    def watch(connection, cursor, statement, parameters, *_):
        seen.append((statement, parameters))

    event.listen(shop.database.engine, "before_cursor_execute", watch)
    with shop.database.session() as session:
        loads.load_everywhere(session, window=5, republish_seconds=0)
        loads.load_of_tenant(session, "a", Lane.STANDARD, window=5)
    event.remove(shop.database.engine, "before_cursor_execute", watch)
    counting = [one for one in seen if "queuer" in one[0]]
    assert len(counting) == 2
    # Beside conditions of equality a comparison of rows is none that a look-up begins at.
    jumps = ["(ROW(lane, tenant, api_key_id) > ROW(", "(api_key_id > "]
    with shop.database.engine.connect() as connection:
        connection.execute(text("set local enable_seqscan = off"))
        for (statement, parameters), jump in zip(counting, jumps, strict=True):
            lines = connection.exec_driver_sql("explain " + statement, parameters).scalars()
            plan = "\n".join(lines)
            assert "Seq Scan" not in plan
            assert Counter(plan.split())["ix_generation_queued"] == 4, "two jumps, two counts"
            assert any(jump in line for line in plan.splitlines() if "Index Cond" in line)
