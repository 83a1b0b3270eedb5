"""Requests of a key that come together."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.budgets import Budget
from core.db.models import Job
from core.db.models.columns import new_id
from core.domain.lanes import Lane
from core.errors import TooManyQueuedError
from core.lifecycle.quota import room_for
from core.lifecycle.submission import submit
from tests.integration.shop import wanted


def insert(session, product: str, key) -> None:
    submit(
        session,
        [wanted(product)],
        tenant="shop",
        lane=Lane.STANDARD,
        api_key_id=key,
    )


@pytest.fixture
def key():
    return new_id()


@pytest.fixture
def order(key):
    def order(session, product: str) -> None:
        with room_for(session, [Budget(owner=key, most=1)], adding=1):
            insert(session, product, key)

    return order


def test_of_two_that_find_room_for_one_the_second_is_refused(shop, order):
    def second() -> None:
        with shop.database.session() as session:
            order(session, "cup")

    with ThreadPoolExecutor() as threads:
        with shop.database.session() as session:
            order(session, "mug")
            refused = threads.submit(second)
            shop.wait_for_lock_wait()
        with pytest.raises(TooManyQueuedError, match=r"it has 1, and the request asks for 1\."):
            refused.result()
    assert [job.prompt for job in shop.all(Job)] == ["mug"]


def test_nobody_waits_for_a_sheet_that_comes_in(shop, order, key):
    """One that turns out to be too large then is refused, with all of it."""

    def accept_while_another_comes() -> None:
        with (
            shop.database.session() as sheet,
            room_for(sheet, [Budget(owner=key, most=1)], adding=1),
        ):
            insert(sheet, "a sheet's mug", key)
            with shop.database.session() as session:
                order(session, "cup")

    with pytest.raises(TooManyQueuedError):
        accept_while_another_comes()
    assert [job.prompt for job in shop.all(Job)] == ["cup"]
