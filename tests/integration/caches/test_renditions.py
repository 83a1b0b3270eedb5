"""Renditions go with their image, count with it, and leave no object behind."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from api.views.renditions import public_image
from catalogue.channels import find_channel
from catalogue.renditions.store import Renditions, RenditionsBusyError
from core.db.models import Rendition
from core.errors import NotFoundError
from core.lifecycle import renditions as lifecycle
from core.lifecycle import retention
from ops import janitor as janitor_module
from tests.integration.caches.conftest import HOUR
from tests.pictures import png, product


@pytest.fixture
def renditions(shop, storage):
    return Renditions(database=shop.database, storage=storage, credentials=None)


@pytest.fixture
def make(renditions):
    """Make a rendition of an image, whose stored bytes are no picture here."""
    return lambda image, name="web": renditions.get(image, find_channel(name), lambda: BODY)


BODY = png(product())


def objects(storage) -> set[str]:
    return {key for key, _ in storage.listed("renditions/")}


def test_they_go_with_their_image(store, make, janitor, shop, storage):
    old = store.make("red mug")
    gone = [make(old, name).key for name in ("web", "walmart")]
    store.age(hours=2)
    stays = make(store.make("blue mug"))
    janitor(ttl_seconds=1.5 * HOUR).clean()
    assert [row.key for row in shop.all(Rendition)] == [stays.key]
    assert stays.key in objects(storage)
    assert not set(gone) & objects(storage)


def test_a_budget_counts_them(store, make, janitor):
    first = store.make("red mug", size=100)
    made = make(first)
    store.age(hours=1)
    second = store.make("blue mug", size=100)
    limits = {"retention_seconds": 0}
    janitor(max_bytes=200 + made.size, **limits).clean()
    assert store.rows() == {first.id, second.id}
    janitor(max_bytes=200, **limits).clean()
    assert store.rows() == {second.id}


def test_one_is_made_once_whoever_asks(store, make, shop, storage):
    image = store.make("red mug")
    before = objects(storage)
    assert make(image).id == make(image).id
    assert len(objects(storage) - before) == 1
    assert len(shop.all(Rendition)) == 1


def test_who_was_second_gets_the_first_ones_and_leaves_nothing(
    store, renditions, make, shop, storage, monkeypatch
):
    image, channel = store.make("red mug"), find_channel("web")
    before = objects(storage)
    other = png(product().rotate(90))
    put = type(storage).put_rendition

    def slowly(self, *arguments, **values):
        monkeypatch.setattr(type(storage), "put_rendition", put)
        stored = put(self, *arguments, **values)
        rival = Renditions(database=shop.database, storage=storage, credentials=None)
        rival.get(image, channel, lambda: other)
        return stored

    monkeypatch.setattr(type(storage), "put_rendition", slowly)
    kept = make(image)
    (row,) = shop.all(Rendition)
    assert kept.key == row.key
    assert objects(storage) - before == {row.key}


def test_of_an_image_that_leaves_nothing_is_made(store, make, shop, storage):
    image = store.make("red mug")
    with shop.database.session() as session:
        retention.lose(session, image.id)
    before = objects(storage)
    with pytest.raises(NotFoundError, match="is being deleted"):
        make(image)
    assert objects(storage) == before
    assert shop.all(Rendition) == []


def test_an_object_without_a_row_is_deleted_when_it_is_old(
    store, make, janitor, shop, storage, monkeypatch
):
    image = store.make("red mug")
    kept = make(image)
    orphan = storage.put_rendition(
        b"nobody's", tenant="shop", name="web-x", extension="webp", content_type="image/webp",
        generation_id=image.generation_id,
    )  # fmt: skip
    cleaner = janitor()
    for _ in range(3):
        cleaner.collect_orphans()
    assert orphan.key in objects(storage)
    monkeypatch.setattr(janitor_module, "UNRECORDED", timedelta(seconds=-60))
    for _ in range(3):
        cleaner.collect_orphans()
    assert orphan.key not in objects(storage)
    assert kept.key in objects(storage)
    assert store.has(image)


def test_who_must_not_wait_is_told_to_come_again(store, renditions, storage, make, monkeypatch):
    channel = find_channel("web")
    first, second = store.make("red mug"), store.make("blue mug")
    monkeypatch.setattr(renditions, "_hall", threading.BoundedSemaphore(1))
    told = []

    def read(self, stored):
        with pytest.raises(RenditionsBusyError) as caught:
            renditions.get_soon(second, channel)
        told.append(caught.value.retry_helps)
        return BODY

    monkeypatch.setattr(type(storage), "read", read)
    made = renditions.get_soon(first, channel)
    assert told == [True]
    assert renditions.get_soon(first, channel).id == made.id
    # Whoever may wait is not counted, and there is room again.
    assert make(second).id == renditions.get_soon(second, channel).id


@pytest.mark.own_database
def test_every_look_up_finds_an_index(store, make, shop, database):
    """Also where the planner would rather read so small a table as a whole."""
    channel = find_channel("web")
    image = store.make("red mug")
    row = make(image)
    plans: list[str] = []

    def explain(connection, cursor, statement, parameters, context, executemany):
        found = cursor.connection.execute(f"explain {statement}", parameters)
        plans.append("\n".join(line for (line,) in found))

    with database.session() as session:
        session.execute(text("set local enable_seqscan = off"))
        event.listen(database.engine, "before_cursor_execute", explain)
        lifecycle.find(session, image.id, channel.name, channel.spec)
        lifecycle.find_all(session, [image.id], {channel.name: channel.spec})
        with pytest.raises(NotFoundError):
            public_image(session, uuid4(), channel)
        assert retention.orphans(session, {row.key: image.generation_id}) == []
        assert retention._renditions(session, [image.id]) == {image.id: [row.key]}
        event.remove(database.engine, "before_cursor_execute", explain)
    assert len(plans) == 7
    assert [plan for plan in plans if "Seq Scan" in plan] == []
