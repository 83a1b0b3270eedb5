"""What S3 damaged or lost is found before somebody asks for it."""

from collections.abc import Callable
from io import BytesIO

import pytest

from core.db.models import Image, Rendition, Source
from core.domain.states import JobState
from core.settings import Settings
from core.sources.store import SourceStore
from core.storage import Storage
from ops.inspector import Inspector
from tests.pictures import png, product

MUCH = 2**30


def keep_photographs(database, storage, number: int) -> list[Source]:
    """Send photographs of different sizes, and give their rows in that order."""
    kept = SourceStore(database=database, storage=storage, max_bytes=10**6)
    ids = [
        kept.keep(BytesIO(png(product().resize((32 + one, 32)))), tenant="shop").source_id
        for one in range(number)
    ]
    with database.session() as session:
        return [session.get_one(Source, one) for one in ids]


def photographs_there(shop) -> set[str]:
    return {source.id for source in shop.all(Source) if source.doomed_at is None}


@pytest.fixture
def inspector(database, storage) -> Callable[..., Inspector]:
    def inspector(bytes_per_pass: int = MUCH) -> Inspector:
        return Inspector(database=database, storage=storage, bytes_per_pass=bytes_per_pass)

    return inspector


def answering(shop) -> set[str]:
    return {image.id for image in shop.all(Image) if image.doomed_at is None}


def test_only_what_is_damaged_or_missing_is_lost(shop, store, storage, inspector):
    good, flipped, missing = (store.make(f"mug {number}") for number in range(3))
    storage.put(flipped.key, bytes(flipped.size), content_type="image/png")
    storage.delete([missing.key])
    inspector().inspect()
    assert answering(shop) == {good.id}
    for image in (flipped, missing):
        (job,) = shop.jobs(generation_id=image.generation_id)
        assert (job.state, job.error_code) == (JobState.FAILED, "image_lost")


def test_a_pass_reads_a_bounded_piece_and_the_next_one_goes_on(
    shop, store, storage, inspector, monkeypatch
):
    images = [store.make(f"mug {number}", size=1000) for number in range(6)]
    for image in images:
        storage.put(image.key, b"x" * 1000, content_type="image/png")
    monkeypatch.setattr("ops.inspector.SMALLEST_SAMPLE", 100)
    # A third is for each kind.
    slow = inspector(bytes_per_pass=6300)
    left = []
    for _ in range(3):
        slow.inspect()
        left.append(len(answering(shop)))
    assert left == [4, 2, 0]
    again = store.make("another mug", size=1000)
    for _ in range(2):
        slow.inspect()
    assert answering(shop) == {again.id}


def test_without_bytes_nothing_is_read(shop, store, storage, inspector):
    storage.delete([store.make("red mug").key])
    inspector(0).inspect()
    assert len(answering(shop)) == 1


def test_a_damaged_rendition_is_forgotten(shop, store, storage, database, inspector):
    image = store.make("red mug")
    stored = storage.put_rendition(
        b"webp",
        tenant="shop",
        name="web-1",
        extension="webp",
        content_type="image/webp",
        generation_id=image.generation_id,
    )
    with database.session() as session:
        session.add(
            Rendition(
                image_id=image.id,
                channel="web",
                spec="1",
                key=stored.key,
                content_type="image/webp",
                digest=stored.digest,
                size=stored.size,
                width=1,
                height=1,
                ground="kept",
            )
        )
    inspector().inspect()
    assert len(shop.all(Rendition)) == 1
    storage.put(stored.key, b"Webp", content_type="image/webp")
    inspector().inspect()
    assert shop.all(Rendition) == []
    assert answering(shop) == {image.id}


def test_another_bucket_fails_no_jobs(shop, store, settings: Settings, database, caplog):
    for number in range(6):
        store.make(f"mug {number}")
    wrong = Storage(settings.model_copy(update={"s3_bucket": "wrong"}))
    wrong.client.create_bucket(Bucket="wrong")
    Inspector(database=database, storage=wrong, bytes_per_pass=MUCH).inspect()
    assert len(answering(shop)) == 6
    assert "check PACKSHOT_S3_BUCKET" in caplog.text


def test_photographs_that_are_damaged_or_missing_are_found_no_more(
    shop, storage, database, inspector
):
    good, flipped, missing = keep_photographs(database, storage, 3)
    storage.put(flipped.key, bytes(flipped.size), content_type="image/png")
    storage.delete([missing.key])
    inspector().inspect()
    assert photographs_there(shop) == {good.id}


def test_another_bucket_loses_no_photographs(shop, storage, settings: Settings, database, caplog):
    sources = keep_photographs(database, storage, 6)
    wrong = Storage(settings.model_copy(update={"s3_bucket": "elsewhere"}))
    wrong.client.create_bucket(Bucket="elsewhere")
    Inspector(database=database, storage=wrong, bytes_per_pass=MUCH).inspect()
    assert photographs_there(shop) == {one.id for one in sources}
    assert "check PACKSHOT_S3_BUCKET" in caplog.text
