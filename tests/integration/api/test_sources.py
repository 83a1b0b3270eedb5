"""Photographs: sent, found again, downloaded as they came, deleted, and gone when they are old."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import text

from core.db.models import Source
from core.errors import SourcesFullError
from core.keys import create_key
from core.object_keys import SOURCES
from core.sources import rows
from core.sources.store import SourceStore
from ops.eraser import Eraser, RetentionLimits
from tests.integration.shop import poll
from tests.pictures import near_white, png, product


@pytest.fixture(scope="module")
def mug() -> bytes:
    return png(near_white(product()))


@pytest.fixture
def eraser(database, storage, settings) -> Eraser:
    limits = RetentionLimits.of(settings)
    return Eraser(database=database, storage=storage, limits=limits)


@pytest.fixture
def objects(storage):
    """List the objects of photographs that this test stored."""
    before = {key for key, _ in storage.listed(SOURCES)}
    return lambda: [key for key, _ in storage.listed(SOURCES) if key not in before]


def jpeg(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, colour).save(stream, "JPEG")
    return stream.getvalue()


def send(client, content: bytes, name: str = "mug.png", **options):
    return client.post("/v1/sources", files={"file": (name, content)}, **options)


def test_a_photograph_is_kept_as_it_came(client, mug):
    answer = send(client, mug, "C:\\photos\\Mug 1.JPG")
    assert answer.status_code == 201
    source = answer.json()
    assert answer.headers["location"] == f"/v1/sources/{source['id']}" == source["links"]["self"]
    assert source["digest"] == hashlib.sha256(mug).hexdigest()
    assert (source["size"], source["content_type"]) == (len(mug), "image/png")
    assert (source["width"], source["height"]) == (128, 128)
    assert source["file_name"] == "Mug 1.JPG"
    assert client.get(source["links"]["self"]).json() == source
    content = client.get(source["links"]["content"])
    assert content.content == mug
    assert content.headers["content-type"] == "image/png"
    assert content.headers["x-content-type-options"] == "nosniff"
    assert content.headers["content-disposition"] == "inline; filename*=UTF-8''Mug%201.JPG"
    tag = content.headers["etag"]
    again = client.get(source["links"]["content"], headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    part = client.get(source["links"]["content"], headers={"Range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, mug[4:10])


def test_a_tenants_photographs_have_so_many_bytes_together(serve, settings):
    first, second, third = jpeg("red"), jpeg("green"), jpeg("blue")
    most = len(first) + len(second) + 10
    client = serve(settings.model_copy(update={"source_bytes": most}))
    kept = send(client, first).json()
    assert send(client, second).status_code == 201
    refused = send(client, third)
    assert (refused.status_code, refused.json()["code"]) == (409, "sources_full")
    assert (refused.json()["limit"], refused.json()["remaining"]) == (most, 10)
    assert f"{most:,} bytes" in refused.json()["detail"]
    assert len(client.get("/v1/sources").json()["items"]) == 2
    # What is there takes no room, and what is deleted gives some.
    assert send(client, first).status_code == 200
    assert client.delete(kept["links"]["self"]).status_code == 200
    assert send(client, third).status_code == 201


def test_a_key_may_have_another_limit_of_bytes(client, database):
    with database.session() as session:
        _, small = create_key(session, "shop", source_bytes=10)
        _, other = create_key(session, "other", source_bytes=10**6)
    assert (
        send(client, jpeg(), headers={"Authorization": f"Bearer {small}"}).json()["code"]
        == "sources_full"
    )
    assert send(client, jpeg(), headers={"Authorization": f"Bearer {other}"}).status_code == 201


def test_of_photographs_that_come_together_only_those_are_kept_that_have_room(
    database, storage, objects
):
    sent = [jpeg(size=(40 + one, 30)) for one in range(8)]
    room = max(map(len, sent)) * 3
    store = SourceStore(database=database, storage=storage, max_bytes=10**6, tenant_bytes=room)

    def keep(content: bytes) -> bool:
        try:
            store.keep(BytesIO(content), tenant="shop")
        except SourcesFullError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        kept = sum(pool.map(keep, sent))
    assert kept == 3 == len(objects())
    with database.session() as session:
        assert rows.held_bytes(session, "shop") <= room


@pytest.mark.parametrize("content_type", ["application/octet-stream", "image/png", "image/*"])
def test_the_file_itself_is_a_body_too_and_its_bytes_tell_its_type(client, content_type):
    headers = {"Content-Type": content_type}
    answer = client.post(
        "/v1/sources", params={"file_name": "a/b/mug.png"}, content=jpeg(), headers=headers
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["content_type"] == "image/jpeg"
    assert answer.json()["file_name"] == "mug.png"


def test_the_same_bytes_are_kept_once(client, stranger, mug, objects):
    first = send(client, mug)
    second = send(client, mug, "another name.png")
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.headers["location"] == first.headers["location"]
    assert second.json()["file_name"] == "mug.png"
    assert len(objects()) == 1
    theirs = send(stranger, mug)
    assert theirs.status_code == 201
    assert theirs.json()["id"] != first.json()["id"]
    assert len(objects()) == 2


def test_of_many_that_send_the_same_at_once_all_get_one(client, mug, shop, eraser, objects):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(client, mug), range(8)))
    assert {one.status_code for one in answers} <= {200, 201}
    assert len({one.json()["id"] for one in answers}) == 1
    eraser.clean()
    assert len(shop.all(Source)) == len(objects()) == 1


def test_who_has_the_digest_need_not_send_the_bytes(client, stranger, mug):
    source = send(client, mug).json()
    query = {"digest": source["digest"]}
    assert client.get("/v1/sources", params=query).json()["items"] == [source]
    assert stranger.get("/v1/sources", params=query).json()["items"] == []
    assert client.get("/v1/sources", params={"digest": "0" * 64}).json()["items"] == []


def test_they_are_listed_newest_first_page_by_page(client):
    ids = [send(client, jpeg(colour)).json()["id"] for colour in ("red", "green", "blue")]
    page = client.get("/v1/sources", params={"limit": 2}).json()
    rest = client.get("/v1/sources", params={"limit": 2, "cursor": page["next"]}).json()
    assert [one["id"] for one in page["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "photograph_unreadable", "The file is empty."),
        (b"<!doctype html><p>Not found", "photograph_unreadable", "a web page (HTML)"),
        (b"sku,prompt\nA,a mug\n", "photograph_unreadable", "no image that can be read"),
        (jpeg(size=(9000, 8000)), "photograph_too_large", "64 megapixels are the most"),
        (jpeg(size=(1, 1)), "photograph_too_small", "16 are the least"),
    ],
    ids=["empty", "html", "sheet", "too many pixels", "one pixel"],
)
def test_what_is_no_photograph_leaves_nothing(client, shop, objects, content, code, said):
    answer = send(client, content)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert said in answer.json()["detail"]
    assert shop.all(Source) == []
    assert objects() == []


def test_other_bodies_are_refused_with_what_to_send(client):
    answer = client.post("/v1/sources", json={"url": "https://shop.example/mug.jpg"})
    assert answer.status_code == 415
    assert "`multipart/form-data` with a `file`" in answer.json()["detail"]
    answer = client.post("/v1/sources", files={"photo": ("mug.png", b"x")})
    assert answer.status_code == 422
    assert "curl -F file=@mug.jpg" in answer.json()["detail"]
    answer = send(client, jpeg(), data={"name": "mug"})
    assert answer.status_code == 422
    assert "There is no field 'name'" in answer.json()["detail"]


@pytest.mark.parametrize("as_form", [True, False])
def test_too_many_bytes_are_refused(settings, serve, as_form, shop):
    client = serve(settings.model_copy(update={"max_source_bytes": 1000}))
    headers = {} if as_form else {"Content-Type": "image/png"}
    for size in (1001, 200_000):
        body = jpeg() + bytes(size)
        wanted = {"files": {"file": ("mug.jpg", body)}} if as_form else {"content": body}
        answer = client.post("/v1/sources", headers=headers, **wanted)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert "PACKSHOT_MAX_SOURCE_BYTES" in answer.json()["detail"]
    assert shop.all(Source) == []
    assert client.post("/v1/sources", files={"file": ("mug.jpg", jpeg())}).status_code == 201


def test_a_deleted_one_is_gone_and_can_be_sent_again(client, mug, eraser, objects, shop):
    source = send(client, mug).json()
    assert client.delete(source["links"]["self"]).status_code == 200
    assert client.get(source["links"]["content"]).status_code == 404
    assert client.delete(source["links"]["self"]).status_code == 404
    assert client.get("/v1/sources").json()["items"] == []
    again = send(client, mug)
    assert again.status_code == 201
    eraser.clean()
    assert [str(one.id) for one in shop.all(Source)] == [again.json()["id"]]
    assert len(objects()) == 1
    assert client.get(again.json()["links"]["content"]).content == mug


def test_a_repeat_with_its_key_is_the_first_answer_until_that_is_deleted(client, mug):
    headers = {"Idempotency-Key": "one"}
    first = send(client, mug, headers=headers)
    assert send(client, mug, headers=headers).headers["idempotency-replayed"] == "true"
    client.delete(first.json()["links"]["self"])
    second = send(client, mug, headers=headers)
    assert second.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("how", ["missing", "damaged", "truncated"])
def test_one_that_s3_lost_says_so_and_can_be_sent_again(client, mug, storage, shop, how):
    source = send(client, mug).json()
    (row,) = shop.all(Source)
    if how == "missing":
        storage.delete([row.key])
    else:
        body = mug[:-1] + b"x" if how == "damaged" else mug[:-1]
        storage.put(row.key, body, content_type="image/png")
    answer = client.get(source["links"]["content"])
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert "Send it again." in answer.json()["detail"]
    assert client.get(source["links"]["self"]).status_code == 404
    again = send(client, mug)
    assert again.status_code == 201
    assert client.get(again.json()["links"]["content"]).content == mug


def test_one_that_s3_lost_unnoticed_is_stored_anew_when_it_comes_again(client, mug, storage, shop):
    send(client, mug)
    (row,) = shop.all(Source)
    storage.delete([row.key])
    again = send(client, mug)
    assert again.status_code == 201
    assert client.get(again.json()["links"]["content"]).content == mug


def age(database, **interval: int) -> None:
    """Move everything further into the past."""
    ((unit, number),) = interval.items()
    by = f"interval '{number} {unit}'"
    with database.session() as session:
        session.execute(
            text(f"update source set created_at = created_at - {by}, last_used_at = "
                 f"last_used_at - {by}")
        )  # fmt: skip


def test_what_nobody_uses_goes_and_what_is_sent_again_stays(client, mug, database, eraser, objects):
    old, used = send(client, mug).json(), send(client, jpeg()).json()
    age(database, days=100)
    assert send(client, jpeg()).json()["id"] == used["id"]
    eraser.clean()
    assert [one["id"] for one in client.get("/v1/sources").json()["items"]] == [used["id"]]
    assert client.get(old["links"]["self"]).status_code == 404
    assert len(objects()) == 1


def test_with_no_limit_they_stay_for_ever(client, mug, database, storage, settings):
    source = send(client, mug).json()
    age(database, days=10_000)
    limits = RetentionLimits.of(settings.model_copy(update={"source_retention_seconds": 0}))
    Eraser(database=database, storage=storage, limits=limits).clean()
    assert client.get(source["links"]["content"]).content == mug


def test_what_never_arrived_is_taken_away_after_an_hour(
    database, storage, mug, eraser, objects, shop, monkeypatch
):
    store = SourceStore(database=database, storage=storage, max_bytes=10**6)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rows, "publish", die)
        with pytest.raises(KeyboardInterrupt):
            store.keep(BytesIO(mug), tenant="shop")
    assert len(objects()) == 1
    eraser.clean()
    assert len(shop.all(Source)) == 1, "it may be on its way"
    age(database, hours=2)
    eraser.clean()
    assert shop.all(Source) == []
    assert objects() == []


def test_a_tenant_sends_so_many_at_once(settings, serve):
    client = serve(settings.model_copy(update={"source_uploads": 2}))

    def at_once():
        """Send one while half of another is there; whichever arrives first is counted first."""
        inner = []

        def halves():
            yield jpeg()[:100]
            inner.append(send(client, jpeg("blue")))
            yield jpeg()[100:]

        outer = client.post("/v1/sources", content=halves(), headers={"Content-Type": "image/jpeg"})
        return outer, *inner

    def blue_is_refused():
        answers.append(at_once())
        return answers[-1][1].status_code == 429

    answers = []
    poll(blue_is_refused)
    taken, refused = answers[-1]
    assert taken.is_success
    assert refused.json()["code"] == "too_many_uploads"
    assert "retry-after" in refused.headers
    # The end of the other one is counted after its answer.
    poll(lambda: send(client, jpeg("blue")).is_success)
