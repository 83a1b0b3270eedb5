"""Into a shop of Shopify and back, whatever that does meanwhile."""

import itertools

import pytest

from core.domain.states import PublishItemState, PublishState
from core.domain.stores import Placement, StoreKind
from core.publishing.images import still_publishable
from tests.integration.publishing.conftest import FILE
from tests.support.store_server import Fault

OLD = (("front.jpg", "The front"), ("back.jpg", "The back"))


@pytest.fixture
def shop_of(shopify, publishing):
    """A shop with the products of a batch, and its target."""

    def make(**values):
        double = shopify(**values)
        return double, publishing.target(StoreKind.SHOPIFY, double.server.url)

    return make


def texts(double, product):
    return [alt for _, alt in double.shown(product)]


def test_a_plan_says_what_would_change_and_changes_nothing(publishing, shop_of):
    double, target = shop_of()
    product = double.add_product("A", media=OLD)
    batch = publishing.batch("A", "missing", variants=2)
    run = publishing.plan(target, batch)
    assert publishing.run(run).state is PublishState.PLANNED
    found, missing = publishing.items(run)
    assert (found.product, found.title) == (product.id, "Product of A")
    assert [one["alt"] for one in found.before] == ["The front", "The back"]
    assert [one["alt"] for one in found.images] == ["A, 1", "A, 2"]
    assert (missing.product, missing.state) == (None, PublishItemState.NOT_FOUND)
    assert double.shown(product) == list(OLD)
    assert len(double.files) == 2


@pytest.mark.parametrize("placement", list(Placement))
def test_images_are_placed_and_taken_back_exactly(publishing, shop_of, placement):
    double, target = shop_of(search_lag=3, reading_lag=2, moving_lag=2)
    product = double.add_product("A", media=OLD)
    bare = double.add_product("B")
    run = publishing.plan(target, publishing.batch("A", "B", variants=2), placement)
    publishing.start(run)
    assert publishing.work_until_done(run).state is PublishState.PUBLISHED
    old, new = ["The front", "The back"], ["A, 1", "A, 2"]
    wanted = [*new, *old] if placement is Placement.FIRST else [*old, *new]
    assert texts(double, product) == wanted
    assert texts(double, bare) == ["B, 1", "B, 2"]
    assert {one.content for one in double.files.values() if one.content} == {FILE}
    publishing.undo(run)
    assert publishing.work_until_done(run).state is PublishState.UNDONE
    assert double.shown(product) == list(OLD)
    assert double.shown(bare) == []
    assert len(double.files) == 2


def test_variants_of_one_product_get_their_own_images(publishing, shop_of):
    double, target = shop_of()
    product = double.add_product("red", "blue", "seen")
    product.variants[2].media = [product.id]
    run = publishing.plan(target, publishing.batch("red", "blue", "seen"))
    publishing.start(run)
    publishing.work_until_done(run)
    assert texts(double, product) == ["red, 1", "blue, 1", "seen, 1"]
    red, blue, seen = (variant.media for variant in product.variants)
    assert [double.files[one].alt for one in (*red, *blue)] == ["red, 1", "blue, 1"]
    assert seen == [product.id]
    publishing.undo(run)
    assert (red, blue, product.media) == ([], [], [])


def test_what_others_change_meanwhile_stays(publishing, shop_of):
    double, target = shop_of()
    product = double.add_product("A", media=OLD)
    run = publishing.plan(target, publishing.batch("A"))
    publishing.start(run)
    double.files[product.media[0]].alt = "Somebody's words"
    product.media.insert(0, double.add_file("new.jpg", "New").id)
    del product.media[2]
    publishing.undo(run)
    assert double.shown(product) == [("front.jpg", "The front"), ("new.jpg", "New")]


def test_points_are_waited_for_instead_of_wasted(publishing, shop_of):
    double, target = shop_of(points=60.0, most_points=200.0)
    publishing.on_sleep = lambda seconds: (publishing.slept.append(seconds), double.wait(seconds))
    product = double.add_product("A")
    run = publishing.plan(target, publishing.batch("A"))
    publishing.start(run)
    assert texts(double, product) == ["A, 1"]
    # After the first answer it knows how many there are, and waits until the next can have 100.
    assert max(publishing.slept) == pytest.approx((100 - 50) / 50)


def test_throttled_operations_are_sent_again_when_they_can_be_paid(publishing, shop_of):
    double, target = shop_of(points=0.0)
    publishing.on_sleep = lambda seconds: (publishing.slept.append(seconds), double.wait(seconds))
    double.add_product("A")
    run = publishing.plan(target, publishing.batch("A"))
    assert publishing.run(run).state is PublishState.PLANNED
    assert publishing.slept[0] == 1.0


def test_a_retry_after_is_honoured(publishing, shop_of):
    double, target = shop_of()
    product = double.add_product("A")
    run = publishing.plan(target, publishing.batch("A"))
    limited = {len(double.server.asked)}
    double.server.fault = lambda one: Fault.LIMITED if one.number in limited else None
    publishing.slept.clear()
    publishing.start(run)
    assert 2.0 in publishing.slept
    assert texts(double, product) == ["A, 1"]


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
def test_a_store_that_fails_everywhere_once_changes_nothing_of_the_end(publishing, shop_of, fault):
    double, target = shop_of(search_lag=2)
    product = double.add_product("A", media=OLD)
    seen = set()

    def once(asked):
        key = (asked.method, asked.path, asked.body)
        if key in seen:
            return None
        seen.add(key)
        return fault

    double.server.fault = once
    run = publishing.plan(target, publishing.batch("A", variants=2))
    publishing.work_until_done(run)
    publishing.start(run)
    assert publishing.work_until_done(run).state is PublishState.PUBLISHED
    assert texts(double, product) == ["The front", "The back", "A, 1", "A, 2"]
    assert len(double.files) == 4
    seen.clear()
    publishing.undo(run)
    assert publishing.work_until_done(run).state is PublishState.UNDONE
    assert double.shown(product) == list(OLD)
    assert len(double.files) == 2


def test_a_store_that_is_away_is_waited_for_and_nothing_is_lost(publishing, shop_of):
    double, target = shop_of()
    product = double.add_product("A")
    run = publishing.plan(target, publishing.batch("A"))
    double.server.fault = lambda _: Fault.BEFORE
    publishing.start(run)
    waiting = publishing.run(run)
    assert (waiting.state, waiting.failures) == (PublishState.RUNNING, 1)
    assert "503" in waiting.error
    double.server.fault = lambda _: None
    assert publishing.work_until_done(run).error is None
    assert texts(double, product) == ["A, 1"]


def test_a_refusal_gives_the_product_back_what_it_had(publishing, shop_of):
    double, target = shop_of()
    product = double.add_product("A", media=OLD)
    other = double.add_product("B")
    run = publishing.plan(target, publishing.batch("A", "B"))
    limit = {"message": "Exceeded the limit of media per product.", "field": ["files"]}
    double.refuses = {"fileUpdate": limit | {"code": "PRODUCT_MEDIA_LIMIT_EXCEEDED"}}
    publishing.start(run)
    assert publishing.run(run).state is PublishState.PUBLISHED
    assert {one.state for one in publishing.items(run)} == {PublishItemState.FAILED}
    assert "limit of media" in publishing.items(run)[0].error
    assert double.shown(product) == list(OLD)
    assert double.shown(other) == []
    assert len(double.files) == 2


def test_credentials_that_are_refused_fail_a_plan_with_a_sentence(publishing, shop_of):
    double, _ = shop_of()
    target = publishing.target(
        StoreKind.SHOPIFY, double.server.url, name="wrong", credentials={"access_token": "no"}
    )
    run = publishing.plan(target, publishing.batch("A"))
    failed = publishing.run(run)
    assert failed.state is PublishState.FAILED
    assert "credentials are not valid" in failed.error


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_request_it_ends_as_it_would_have(publishing, shop_of, interrupted, after):
    double, target = shop_of(search_lag=1, reading_lag=1, moving_lag=1, points=1e9, most_points=1e9)
    batch = publishing.batch("A", "B", variants=2)
    for number in itertools.count(1):
        killed = []
        product = double.add_product("A", media=OLD)
        bare = double.add_product("B")
        run = publishing.plan(target, batch, Placement.FIRST)
        files = len(double.files)
        for ask, done, shown in (
            (publishing.start, PublishState.PUBLISHED, ["A, 1", "A, 2", "The front", "The back"]),
            (publishing.undo, PublishState.UNDONE, ["The front", "The back"]),
        ):
            killed.append(interrupted(ask, run, done, number, after=after))
            assert texts(double, product) == shown
            assert texts(double, bare) == (
                ["B, 1", "B, 2"] if done is PublishState.PUBLISHED else []
            )
        assert len(double.files) == files
        double.products.clear()
        if not any(killed):
            break
    assert number > 10


def test_nothing_that_may_not_be_published_any_more_is_shown(publishing, shop_of, monkeypatch):
    double, target = shop_of()
    product = double.add_product("A", media=OLD)
    batch = publishing.batch("A", variants=2)
    run = publishing.plan(target, batch)
    rejected = publishing.items(run)[0].images[0]["job_id"]
    looks = []

    def while_it_is_uploaded(session, job_ids):
        looks.append(job_ids)
        found = still_publishable(session, job_ids)
        # Each image is looked at before its upload, and all of them before they are placed.
        if len(looks) > 1:
            found = {one: image for one, image in found.items() if str(one) != rejected}
        return found

    monkeypatch.setattr("ops.publishing.product.still_publishable", while_it_is_uploaded)
    publishing.start(run)
    assert texts(double, product) == ["The front", "The back", "A, 2"]
    assert len(double.files) == 3


def test_runs_of_one_store_go_one_after_the_other_and_are_undone_alone(publishing, shop_of):
    double, target = shop_of()
    product = double.add_product("A", media=OLD)
    first, second = (publishing.plan(target, publishing.batch("A")) for _ in range(2))
    publishing.start(first, work=False)
    publishing.start(second, work=False)
    publishing.work()
    assert texts(double, product) == ["The front", "The back", "A, 1", "A, 1"]
    publishing.undo(first)
    assert texts(double, product) == ["The front", "The back", "A, 1"]
    publishing.undo(second)
    assert double.shown(product) == list(OLD)
