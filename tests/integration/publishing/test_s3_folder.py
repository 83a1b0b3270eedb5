"""Into a folder of a bucket and back, on the S3 that the tests run."""

import itertools

import boto3
import pytest
from sqlalchemy import update

from core.db.models import Job
from core.domain.states import PublishItemState, PublishState
from core.domain.stores import StoreKind
from core.errors import InvalidRequestError
from ops.publishing.s3_folder import S3Folder, folder_name
from tests.integration.publishing.conftest import FILE
from tests.support.store_server import Answer, StoreServer, serving_store

BUCKET = "catalogue"
ODD = "Ä 1/2 %2F?"


@pytest.fixture
def keys(settings):
    return {
        "access_key_id": settings.s3_access_key_id,
        "secret_access_key": settings.s3_secret_access_key.get_secret_value(),
        "region": settings.s3_region,
    }


@pytest.fixture
def bucket(settings, keys):
    """An empty bucket of somebody's catalogue."""
    made = (
        boto3.session.Session()
        .resource(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
            region_name=keys["region"],
        )
        .Bucket(BUCKET)
    )
    made.create()
    yield made
    made.objects.all().delete()
    made.delete()


@pytest.fixture
def add(settings, publishing, keys):
    def add(path=f"{BUCKET}/shop/pictures", **changed):
        return publishing.target(
            StoreKind.S3, f"{settings.s3_endpoint_url}/{path}", credentials=keys | changed
        )

    return add


def files(bucket):
    return {one.key: one.get()["Body"].read() for one in bucket.objects.all()}


def test_each_sku_has_a_folder_and_what_was_there_stays(publishing, bucket, add):
    bucket.put_object(Key="shop/pictures/A/old.jpg", Body=b"old")
    bucket.put_object(Key="shop/pictures/A/more/other.jpg", Body=b"other")
    before = files(bucket)
    run = publishing.plan(add(), publishing.batch("A", ODD, variants=2))
    first, second = publishing.items(run)
    assert first.before == [{"id": "old.jpg", "alt": ""}]
    assert (first.title, second.title) == ("A", ODD)
    assert files(bucket) == before
    publishing.start(run)
    assert publishing.run(run).state is PublishState.PUBLISHED
    new = {key: body for key, body in files(bucket).items() if key not in before}
    assert set(new.values()) == {FILE}
    folders = sorted(key.removeprefix("shop/pictures/").rpartition("/")[0] for key in new)
    assert folders == ["A", "A", "Ä 1%2F2 %252F%3F", "Ä 1%2F2 %252F%3F"]
    kept = next(iter(new))
    assert bucket.Object(kept).content_type == "image/png"
    publishing.undo(run)
    assert publishing.run(run).state is PublishState.UNDONE
    assert files(bucket) == before


def test_a_folder_of_more_files_than_one_answer_lists(publishing, bucket, add, monkeypatch):
    for number in range(5):
        bucket.put_object(Key=f"A/{number}.jpg", Body=b"old")
    send = S3Folder._send

    async def few(self, method, key="", *, query=None, **values):
        wanted = None if query is None else {**query, "max-keys": "2"}
        return await send(self, method, key, query=wanted, **values)

    monkeypatch.setattr(S3Folder, "_send", few)
    run = publishing.plan(add(BUCKET), publishing.batch("A"))
    (item,) = publishing.items(run)
    assert [one["id"] for one in item.before] == [f"{number}.jpg" for number in range(5)]


def test_a_folder_whose_name_an_address_escapes(publishing, bucket, add):
    run = publishing.plan(add(f"{BUCKET}/meine%20Bilder/%C3%A4"), publishing.batch("A"))
    publishing.start(run)
    (key,) = files(bucket)
    assert key.startswith("meine Bilder/ä/A/")


def test_a_run_of_renditions_waits_while_their_certificate_cannot_be_read(
    publishing, bucket, add, database
):
    batch = publishing.batch("A")
    with database.session() as session:
        session.execute(update(Job).values(files={"shopify": "a.jpg"}))
    run = publishing.plan(add(), batch, channel="shopify")
    whole = publishing.settings
    missing = {"c2pa_certificate": "/missing/chain.pem", "c2pa_key": "/missing/key.pem"}
    publishing.settings = whole.model_copy(update=missing)
    publishing.start(run)
    waiting = publishing.run(run)
    assert waiting.state is PublishState.RUNNING
    assert "/missing/chain.pem" in waiting.error
    publishing.settings = whole
    assert publishing.work_until_done(run).state is PublishState.PUBLISHED


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_request_it_ends_as_it_would_have(
    publishing, bucket, add, interrupted, after
):
    target, batch = add(), publishing.batch("A", variants=2)
    bucket.put_object(Key="shop/pictures/A/old.jpg", Body=b"old")
    for number in itertools.count(1):
        killed = []
        run = publishing.plan(target, batch)
        for ask, done, count in (
            (publishing.start, PublishState.PUBLISHED, 3),
            (publishing.undo, PublishState.UNDONE, 1),
        ):
            killed.append(interrupted(ask, run, done, number, after=after))
            assert len(files(bucket)) == count
        if not any(killed):
            break
    assert number > 4


def test_a_bucket_that_is_not_there_is_told_in_the_plan(publishing, bucket, add):
    run = publishing.plan(add("missing"), publishing.batch("A"))
    made = publishing.run(run)
    assert made.state is PublishState.FAILED
    assert made.error.startswith("The service answered 404. NoSuchBucket")


def test_credentials_that_are_not_valid_are_told_in_the_plan(publishing, bucket, add):
    run = publishing.plan(add(secret_access_key="wrong"), publishing.batch("A"))
    made = publishing.run(run)
    assert made.state is PublishState.FAILED
    assert "its credentials are not valid" in made.error


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(status=200, content={}), "The answer is no listing of S3's"),
        (Answer(status=301, content={}), "The service answered 301."),
        (Answer(status=401, content={}), "The service answered 401: its credentials"),
    ],
)
def test_what_is_no_s3_is_told(publishing, keys, answer, told):
    with serving_store(StoreServer(answer=lambda _: answer)) as server:
        target = publishing.target(StoreKind.S3, f"{server.url}/b", credentials=keys)
        made = publishing.run(publishing.plan(target, publishing.batch("A")))
    assert made.state is PublishState.FAILED
    assert made.error.startswith(told)


def test_an_address_without_a_bucket_is_refused(settings, publishing, keys):
    with pytest.raises(InvalidRequestError, match="with bucket and folder"):
        publishing.target(StoreKind.S3, settings.s3_endpoint_url, credentials=keys)


def test_no_two_skus_have_one_folder():
    skus = ["a/b", "a%2Fb", "a\\b", ".", "..", "%2E", "a b", "a+b", "ä", "\n", "%0A"]
    names = {folder_name(one) for one in skus}
    assert len(names) == len(skus)
    assert not any("/" in one or set(one) == {"."} for one in names)


def test_a_run_publishes_what_images_become_for_a_channel(publishing, bucket, add, database):
    batch = publishing.batch("A", "B")
    target = add()
    with pytest.raises(InvalidRequestError, match=r"without the channel shopify.*channels: none"):
        publishing.plan(target, batch, channel="shopify")
    with database.session() as session:
        session.execute(update(Job).values(files={"original": "a.png", "shopify": "a.jpg"}))
    run = publishing.plan(target, batch, channel="shopify")
    publishing.start(run)
    assert {one.state for one in publishing.items(run)} == {PublishItemState.PUBLISHED}
    assert len(files(bucket)) == 2
    for key, body in files(bucket).items():
        assert key.endswith(".jpg")
        assert body[:3] == b"\xff\xd8\xff"
        assert bucket.Object(key).content_type == "image/jpeg"
    publishing.undo(run)
    assert files(bucket) == {}
