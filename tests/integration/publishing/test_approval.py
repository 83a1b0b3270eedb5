"""Nothing that nobody approves of is published, whenever somebody says so."""

import itertools

import pytest
from sqlalchemy import update

from core.db.models import Job
from core.domain.approval import Approval
from core.domain.states import PublishItemState, PublishState
from core.domain.stores import StoreKind
from tests.support.store_server import Fault


@pytest.fixture
def double(shopify):
    return shopify(points=1e9, most_points=1e9)


@pytest.fixture
def target(double, publishing):
    return publishing.target(StoreKind.SHOPIFY, double.server.url)


@pytest.fixture
def say(database):
    """Write what somebody says of the images of a batch, or of one variant of it."""

    def say(batch_id, approval, *where, **values):
        with database.session() as session:
            of_batch = update(Job).where(Job.batch_id == batch_id, *where)
            session.execute(of_batch.values(approval=approval, **values))

    return say


def texts(double, product):
    return [alt for _, alt in double.shown(product)]


def test_only_what_was_approved_is_planned_where_that_is_required(publishing, double, target, say):
    double.add_product("A")
    batch = publishing.batch("A", variants=3)
    say(batch, Approval.PENDING, require_approval=True)
    assert publishing.items(publishing.plan(target, batch)) == []
    say(batch, Approval.APPROVED, Job.variant == 2)
    (item,) = publishing.items(publishing.plan(target, batch))
    assert [one["alt"] for one in item.images] == ["A, 2"]


def test_what_was_rejected_is_not_planned_where_nothing_is_required(
    publishing, double, target, say
):
    double.add_product("A")
    batch = publishing.batch("A", variants=2)
    say(batch, Approval.REJECTED, Job.variant == 1)
    (item,) = publishing.items(publishing.plan(target, batch))
    assert [one["alt"] for one in item.images] == ["A, 2"]


def test_a_product_of_which_nothing_is_approved_any_more_stays_as_it_was(
    publishing, double, target, say
):
    product = double.add_product("A", media=[("old.jpg", "Old")])
    batch = publishing.batch("A")
    run = publishing.plan(target, batch)
    say(batch, Approval.REJECTED)
    publishing.start(run)
    (item,) = publishing.items(run)
    assert item.state is PublishItemState.FAILED
    assert "None of its images" in item.error
    assert double.shown(product) == [("old.jpg", "Old")]
    assert len(double.files) == 1


@pytest.mark.parametrize("breaks", [False, True], ids=["answers", "breaks"])
def test_rejected_at_any_request_it_is_not_shown_afterwards(
    publishing, double, target, say, breaks
):
    batch = publishing.batch("A", variants=2)
    for number in itertools.count(1):
        say(batch, Approval.PENDING)
        product = double.add_product("A", media=[("old.jpg", "Old")])
        run = publishing.plan(target, batch)
        begin, said = len(double.server.asked), []

        def then(asked, at=begin + number, said=said):
            if len(double.server.asked) == at:
                say(batch, Approval.REJECTED, Job.variant == 1)
                said.append(at)
                return Fault.AFTER if breaks else None
            return None

        double.server.fault = then
        publishing.start(run)
        assert publishing.work_until_done(run).state is PublishState.PUBLISHED
        double.server.fault = lambda _: None
        if not said:
            break
        assert texts(double, product) == ["Old", "A, 2"]
        double.products.clear()
    assert number > 5
