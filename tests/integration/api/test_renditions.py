"""Images as channels want them: asked for, downloaded, at public addresses, gone with the image."""

from io import BytesIO
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from core.db.models import Rendition
from core.lifecycle import retention
from core.pictures.encoding import encode
from core.pictures.formats import Format
from tests.pictures import TRAINED, marks_of, near_white, pixels_of, png, product


@pytest.fixture(scope="module")
def mug() -> bytes:
    return png(near_white(product()))


@pytest.fixture
def ask(client, worker, mug):
    """Ask for an image for some channels, and make it."""

    def ask(*channels: str, **fields: object) -> dict:
        request = {"prompt": "a red mug", "sku": "MUG 1", "channels": list(channels)} | fields
        answer = client.post("/v1/jobs", json=request)
        assert answer.status_code == 202, answer.text
        job = answer.json()
        if job["image"] is None:
            worker.make(job["id"], mug)
        return client.get(f"/v1/jobs/{job['id']}").json()

    return ask


@pytest.fixture
def anybody(client):
    """A client without a key."""
    with httpx.Client(base_url=client.base_url, trust_env=False, timeout=60) as anybody:
        yield anybody


def test_a_job_names_what_it_was_asked_for(ask):
    job = ask("walmart", "web.avif")
    assert job["file_name"] == "MUG-1_1.png"
    named = [(one["channel"], one["file_name"], one["content_type"]) for one in job["renditions"]]
    assert named == [
        ("walmart", "MUG-1_1.jpg", "image/jpeg"),
        ("web.avif", "MUG-1_1.avif", "image/avif"),
    ]  # fmt: skip


def test_a_rendition_is_made_once_and_then_comes_from_store(client, ask, shop, storage):
    job = ask("walmart")
    (link,) = job["renditions"]
    (before,) = client.get(f"/v1/jobs/{job['id']}/renditions").json()["items"]
    assert before["made"] is False
    first = client.get(link["url"])
    assert first.status_code == 200
    assert first.headers["content-type"] == "image/jpeg"
    assert Image.open(BytesIO(first.content)).size == (1500, 1500)
    assert marks_of(first.content) == {TRAINED}
    assert client.get(link["url"]).content == first.content
    again = client.get(link["url"], headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    (after,) = client.get(f"/v1/jobs/{job['id']}/renditions").json()["items"]
    assert (after["made"], after["width"], after["ground"]) == (True, 1500, "white")
    assert after["upscaled"] > 8
    assert rendition(shop).digest == after["digest"]


def test_a_part_of_a_rendition_is_sent(client, ask, anybody):
    (link,) = ask("walmart")["renditions"]
    (listed,) = client.get(link["url"].rpartition("/")[0]).json()["items"]
    for who, url in ((client, link["url"]), (anybody, urlsplit(listed["public_url"]).path)):
        whole = who.get(url)
        part = who.get(url, headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        assert part.headers["content-disposition"] == whole.headers["content-disposition"]
        head = who.head(url)
        assert head.headers["content-length"] == str(len(whole.content))
        assert who.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416
        # Market-places and caches add parameters of their own.
        assert who.get(url, params={"v": "2"}).status_code == (422 if who is client else 200)


def test_an_original_is_downloaded_with_its_mark(client, worker):
    job = client.post("/v1/jobs", json={"prompt": "a blue mug", "sku": "MUG 2"}).json()
    worker.make(job["id"], encode(product(), Format.PNG))
    assert marks_of(client.get(f"/v1/jobs/{job['id']}/image").content) == {TRAINED}


def rendition(shop) -> Rendition:
    (row,) = shop.all(Rendition)
    return row


def test_a_channel_that_nobody_asked_for_is_made_too(client, ask):
    job = ask()
    assert job["renditions"] == []
    assert job["file_name"] is None
    answer = client.get(f"/v1/jobs/{job['id']}/renditions/thumbnail")
    assert answer.headers["content-type"] == "image/webp"


def test_an_image_from_store_has_its_renditions_too(client, ask):
    ask("walmart")
    job = ask("ebay")
    assert job["cache"] == "exact"
    assert client.get(job["renditions"][0]["url"]).status_code == 200


def test_an_unknown_channel_is_refused_with_what_there_is(client, ask):
    answer = client.post("/v1/jobs", json={"prompt": "a mug", "channels": ["wallmart"]})
    assert answer.status_code == 422
    assert "Did you mean 'walmart'" in answer.json()["detail"]
    job = ask()
    assert client.get(f"/v1/jobs/{job['id']}/renditions/wallmart").status_code == 404


def test_what_is_not_ready_or_is_no_image_is_a_problem(client, worker):
    job = client.post("/v1/jobs", json={"prompt": "a mug", "channels": "web"}).json()
    (link,) = job["renditions"]
    assert link["public_url"] is None
    assert client.get(link["url"]).status_code == 409
    worker.make(job["id"], b"these are no pixels")
    answer = client.get(link["url"])
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_image")


def test_a_public_address_needs_no_key_has_no_query_and_ends_as_its_format(anybody, ask, client):
    job = ask("walmart", file_name="{{ sku }} – {{ number }}")
    url = job["renditions"][0]["public_url"]
    assert "?" not in url
    assert url.endswith("MUG-1-01.jpg")
    found = anybody.get(url)
    assert found.status_code == 200, found.text
    assert found.headers["cache-control"].startswith("public, max-age=")
    assert found.content == client.get(job["renditions"][0]["url"]).content
    assert anybody.head(url).headers["content-type"] == "image/jpeg"
    assert anybody.get(url, headers={"If-None-Match": found.headers["etag"]}).status_code == 304


def test_public_addresses_begin_with_the_public_url(serve, settings, worker, mug):
    client = serve(settings.model_copy(update={"public_url": "https://img.shop.example/p/"}))
    answer = client.post("/v1/batches", json={"rows": [{"sku": "A", "prompt": "a mug"}],
                                              "channels": ["walmart"]})  # fmt: skip
    batch = answer.json()
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    worker.make(job["id"], mug)
    (one,) = client.get(f"/v1/jobs/{job['id']}/renditions").json()["items"]
    assert one["public_url"].startswith("https://img.shop.example/p/files/")
    assert one["public_url"] in client.get(batch["links"]["results"]).text
    assert one["public_url"] in client.get(batch["links"]["manifest"]).text


def test_other_public_addresses_are_not_there(anybody, ask):
    path = urlsplit(ask("walmart")["renditions"][0]["public_url"]).path
    token = path.split("/")[2]
    assert anybody.get(path).status_code == 200
    for other in (
        path.replace(".jpg", ".png"),
        path.replace("/walmart/", "/ebay/"),
        path.replace("/walmart/", "/nothing/"),
        path.replace(token, "0" * 32),
        path.replace(token, "secret"),
    ):
        assert anybody.get(other).status_code == 404, other


def test_a_public_address_is_revoked_by_deleting_the_image(anybody, ask, client):
    url = ask("walmart")["renditions"][0]["public_url"]
    assert anybody.get(url).status_code == 200
    assert client.post("/v1/cache/purge", json={"all": True, "named": True}).status_code == 200
    assert anybody.get(url).status_code == 404


def test_a_rendition_whose_object_is_lost_is_made_again(client, ask, storage, shop):
    job = ask("web")
    (link,) = job["renditions"]
    first = client.get(link["url"])
    storage.delete([rendition(shop).key])
    again = client.get(link["url"])
    # Signed anew, with another number drawn for it.
    assert pixels_of(again.content) == pixels_of(first.content)


def test_without_the_original_it_is_gone_and_computed_again(client, ask, storage, shop):
    job = ask("web")
    storage.delete([image.key for image in shop.images()])
    answer = client.get(job["renditions"][0]["url"])
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert client.post("/v1/jobs", json={"prompt": "a red mug"}).json()["cache"] == "miss"


def test_an_image_that_leaves_meanwhile_leaves_no_rendition(
    shop, storage, ask, client, monkeypatch
):
    job = ask("web")
    (image,) = shop.images()
    put = type(storage).put_rendition

    def late(self, *arguments, **values):
        stored = put(self, *arguments, **values)
        with shop.database.session() as session:
            retention.lose(session, image.id)
        return stored

    monkeypatch.setattr(type(storage), "put_rendition", late)
    before = {key for key, _ in storage.listed("renditions/")}
    assert client.get(job["renditions"][0]["url"]).status_code == 410
    assert {key for key, _ in storage.listed("renditions/")} == before


def test_two_lines_that_would_share_a_file_name_are_refused_before_anything_is_queued(client):
    sheet = "sku,prompt\nA,a red mug\nB,a blue mug\n"
    answer = client.post(
        "/v1/batches",
        files={"file": ("sheet.csv", sheet)},
        data={"channels": "walmart, web", "file_name": "same.{{ extension }}"},
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0] == {
        "line": 3,
        "column": "file_name",
        "message": "Line 2 and line 3 would both be 'same.png'. Put {{ sku }}, {{ variant }} or "
        "{{ line }} into `file_name`.",
    }
    assert client.get("/v1/batches").json()["items"] == []
