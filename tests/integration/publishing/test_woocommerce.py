"""Into a shop of WooCommerce and back, whatever that does meanwhile."""

import itertools

import pytest

from core.domain.states import PublishState
from core.domain.stores import Placement, StoreKind
from tests.integration.publishing.conftest import FILE
from tests.support.store_server import Fault

OLD = (("front", "The front"), ("back", "The back"))


@pytest.fixture
def double(woocommerce):
    return woocommerce()


@pytest.fixture
def target(double, publishing):
    return publishing.target(StoreKind.WOOCOMMERCE, double.server.url)


def texts(double, product):
    return [alt for _, alt in double.shown(product)]


@pytest.mark.parametrize("placement", list(Placement))
def test_images_are_placed_and_taken_back_exactly(publishing, double, target, placement):
    product = double.add_product("A", media=OLD)
    bare = double.add_product("B, with a comma")
    batch = publishing.batch("A", "B, with a comma", "missing", variants=2)
    run = publishing.plan(target, batch, placement)
    assert publishing.items(run)[0].title == "Product of A & more"
    publishing.start(run)
    assert publishing.run(run).state is PublishState.PUBLISHED
    old, new = ["The front", "The back"], ["A, 1", "A, 2"]
    wanted = [*new, *old] if placement is Placement.FIRST else [*old, *new]
    assert texts(double, product) == wanted
    assert len(texts(double, bare)) == 2
    assert {one.content for one in double.media.values() if one.content} == {FILE}
    publishing.undo(run)
    assert publishing.run(run).state is PublishState.UNDONE
    assert double.shown(product) == list(OLD)
    assert double.shown(bare) == []
    assert len(double.media) == 2


def test_a_variation_has_one_image_and_gets_its_own_back(publishing, double, target):
    parent = double.add_product("P", media=OLD)
    shown = double.add_product("P-red", media=[("red", "Red")], parent=parent)
    bare = double.add_product("P-blue", parent=parent)
    run = publishing.plan(target, publishing.batch("P-red", "P-blue", variants=2))
    publishing.start(run)
    assert texts(double, shown) == ["P-red, 1"]
    assert texts(double, bare) == ["P-blue, 1"]
    publishing.undo(run)
    assert double.shown(shown) == [("red", "Red")]
    assert double.shown(bare) == []
    assert double.shown(parent) == list(OLD)


def test_texts_that_somebody_wrote_meanwhile_are_taken_back_too(publishing, double, target):
    product = double.add_product("A", media=[("front", ""), ("back", "The back")])
    run = publishing.plan(target, publishing.batch("A"))
    publishing.start(run)
    double.media[product.images[0]].alt = "Somebody's words"
    publishing.undo(run)
    assert double.shown(product) == [("front", ""), ("back", "The back")]


def test_an_image_that_made_room_and_was_deleted_stays_away(publishing, double, target):
    parent = double.add_product("P")
    shown = double.add_product("P-red", media=[("red", "Red")], parent=parent)
    old = shown.images[0]
    run = publishing.plan(target, publishing.batch("P-red"))
    publishing.start(run)
    del double.media[old]
    publishing.undo(run)
    assert publishing.run(run).state is PublishState.UNDONE
    assert double.shown(shown) == []


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER, Fault.LIMITED])
def test_a_store_that_fails_everywhere_once_changes_nothing_of_the_end(
    publishing, double, target, fault
):
    product = double.add_product("A", media=OLD)
    seen = set()

    def once(asked):
        key = (asked.method, asked.path, tuple(asked.query.items()), asked.body)
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
    seen.clear()
    publishing.undo(run)
    assert publishing.work_until_done(run).state is PublishState.UNDONE
    assert double.shown(product) == list(OLD)
    # What an upload left whose answer was lost, too.
    assert len(double.media) == 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_request_it_ends_as_it_would_have(
    publishing, double, target, interrupted, after
):
    batch = publishing.batch("A", variants=2)
    for number in itertools.count(1):
        killed = []
        product = double.add_product("A", media=[(f"front-{number}", "The front")])
        run = publishing.plan(target, batch, Placement.FIRST)
        files = len(double.media)
        for ask, done, shown in (
            (publishing.start, PublishState.PUBLISHED, ["A, 1", "A, 2", "The front"]),
            (publishing.undo, PublishState.UNDONE, ["The front"]),
        ):
            killed.append(interrupted(ask, run, done, number, after=after))
            assert texts(double, product) == shown
        assert len(double.media) == files
        double.products.clear()
        if not any(killed):
            break
    assert number > 8
