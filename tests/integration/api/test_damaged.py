"""Objects that S3 damaged or lost: never served as good, said so, and made anew."""

import csv
import io
import zipfile

import httpx
import pytest

from api.exports.archive import MISSING
from api.views import images
from core.db.models import Image, Rendition, WebhookEvent
from core.errors import StoredObjectLostError
from core.storage import Storage
from tests.pictures import near_white, pixels_of, png, product

DAMAGES = {
    "truncated": lambda body: body[: len(body) // 2],
    "cut at its last byte": lambda body: body[:-1],
    "a flipped bit": lambda body: body[:50] + bytes([body[50] ^ 1]) + body[51:],
    "a flipped bit at its end": lambda body: body[:-1] + bytes([body[-1] ^ 128]),
    "another object": lambda body: bytes(len(body)),
    "longer": lambda body: body + b"\0",
    "empty": lambda _: b"",
    "missing": None,
}


@pytest.fixture(scope="module")
def mug() -> bytes:
    return png(near_white(product()))


@pytest.fixture(params=DAMAGES)
def damage(request, storage):
    """Do to a stored object what disks, operators and other programs do."""
    change = DAMAGES[request.param]

    def damage(row: Image | Rendition) -> None:
        if change is None:
            storage.delete([row.key])
        else:
            body = change(storage.read(row))
            storage.put(row.key, body, content_type=row.content_type)

    return damage


@pytest.fixture
def flip(storage):
    def flip(row: Image | Rendition) -> None:
        body = DAMAGES["a flipped bit"](storage.read(row))
        storage.put(row.key, body, content_type=row.content_type)

    return flip


def ask(client, **fields):
    answer = client.post("/v1/jobs", json={"prompt": "a red mug", "sku": "MUG"} | fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


def assert_lost(client, job_id: str) -> None:
    """Check that a job says what became of its image, and that store answers no more with it."""
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert (job["state"], job["image"]) == ("failed", None)
    assert (job["error"]["code"], job["error"]["retry_helps"]) == ("image_lost", True)
    answer = client.get(f"/v1/jobs/{job_id}/image")
    assert answer.status_code == 410
    assert "Submit the request again" in answer.json()["detail"]
    assert ask(client)["cache"] != "exact"


def test_a_damaged_image_is_gone_for_all_who_have_it_and_is_made_anew(
    client, worker, mug, damage, storage
):
    first = ask(client)["id"]
    damage(worker.make(first, mug))
    second = ask(client)
    assert second["cache"] == "exact", "nobody knows yet"

    answer = client.get(f"/v1/jobs/{first}/image")

    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert "ETag" not in answer.headers
    for job_id in (first, second["id"]):
        assert_lost(client, job_id)
    anew = ask(client)
    assert anew["cache"] == "coalesced"
    worker.make(anew["id"], mug)
    assert client.get(f"/v1/jobs/{anew['id']}/image").content == mug


def test_a_large_one_is_never_whole_where_it_is_sent_while_it_is_read(
    serve, settings, worker, mug, damage, monkeypatch
):
    monkeypatch.setattr(images, "WHOLE_BYTES", 0)
    client = serve(settings.model_copy(update={"result_memory_bytes": 0}))
    job_id = ask(client)["id"]
    image = worker.make(job_id, mug)
    assert client.get(f"/v1/jobs/{job_id}/image").content == mug
    damage(image)
    try:
        answer = client.get(f"/v1/jobs/{job_id}/image")
    except httpx.RemoteProtocolError:
        pass
    else:
        assert answer.status_code == 410
    assert_lost(client, job_id)


def test_a_redirect_leads_to_nothing_that_is_damaged(client, worker, mug, damage):
    job_id = ask(client)["id"]
    image = worker.make(job_id, mug)
    path = f"/v1/jobs/{job_id}/image"
    good = client.get(path, params={"redirect": 1})
    assert httpx.get(good.headers["location"]).content == mug
    damage(image)
    answer = client.get(path, params={"redirect": 1})
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert "location" not in answer.headers
    assert_lost(client, job_id)


@pytest.mark.parametrize("name", ["missing", "truncated", "longer", "empty"])
def test_a_redirect_to_a_large_one_compares_its_size(
    client, worker, mug, storage, monkeypatch, name
):
    monkeypatch.setattr(images, "WHOLE_BYTES", 0)
    job_id = ask(client)["id"]
    image = worker.make(job_id, mug)
    change = DAMAGES[name]
    storage.delete([image.key])
    if change is not None:
        storage.put(image.key, change(mug), content_type="image/png")
    answer = client.get(f"/v1/jobs/{job_id}/image", params={"redirect": 1})
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_neither_a_part_nor_the_head_of_a_damaged_image_is_called_good(
    client, worker, mug, damage, method, headers
):
    job_id = ask(client)["id"]
    damage(worker.make(job_id, mug))
    answer = client.request(method, f"/v1/jobs/{job_id}/image", headers=headers)
    assert answer.status_code == 410
    assert "etag" not in answer.headers


def test_nothing_is_made_of_a_damaged_original(client, worker, mug, damage, shop):
    job = ask(client, channels=["web"])
    damage(worker.make(job["id"], mug))
    (link,) = client.get(f"/v1/jobs/{job['id']}").json()["renditions"]
    answer = client.get(link["public_url"])
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert shop.all(Rendition) == []
    assert_lost(client, job["id"])


def test_a_damaged_rendition_is_made_again_of_the_original(client, worker, mug, damage, shop):
    job = ask(client, channels=["web"])
    worker.make(job["id"], mug)
    (link,) = client.get(f"/v1/jobs/{job['id']}").json()["renditions"]
    before = client.get(link["url"])
    (made,) = shop.all(Rendition)
    damage(made)
    for url in (link["url"], link["public_url"]):
        answer = client.get(url)
        assert answer.status_code == 200
        # Signed anew, with another number drawn for it.
        assert pixels_of(answer.content) == pixels_of(before.content)
    assert client.get(link["url"]).headers["ETag"] == answer.headers["ETag"]


def test_a_storage_that_keeps_nothing_is_said_to_be_broken(client, worker, mug, monkeypatch):
    job = ask(client, channels=["web"])
    worker.make(job["id"], mug)
    (link,) = client.get(f"/v1/jobs/{job['id']}").json()["renditions"]
    put = Storage.put_rendition

    def forgetful(self, body, **values):
        stored = put(self, body, **values)
        self.put(stored.key, bytes(len(body)), content_type="image/webp")
        return stored

    monkeypatch.setattr(Storage, "put_rendition", forgetful)
    answer = client.get(link["url"])
    assert (answer.status_code, answer.json()["code"]) == (502, "stored_object_lost")
    assert answer.json()["retry_helps"] is True


def test_an_archive_names_what_is_damaged(client, worker, mug, damage, send, storage):
    batch = send(client, "sku,prompt\nA,a red mug\nB,a blue mug\n")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    made = [worker.make(job["id"], mug) for job in jobs]
    damage(made[0])
    answer = client.get(batch["links"]["images"])
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.namelist() == ["B_1.png", MISSING]
    assert archive.read("B_1.png") == mug
    named = archive.read(MISSING).decode()
    assert named.startswith("line 2, A variant 1: ")
    assert "damaged" in named


def test_a_batch_that_lost_images_says_so_and_makes_them_anew(
    client, worker, mug, flip, send, shop
):
    ask_first = ask(client, prompt="a blue mug")
    flip(worker.make(ask_first["id"], mug))
    # Line 3 is answered from store, and has no generation of its own.
    batch = send(client, "sku,prompt\nA,a red mug\nB,a blue mug\n")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    flip(worker.make(jobs[0]["id"], mug))
    assert client.get(batch["links"]["self"]).json()["state"] == "completed"

    client.get(batch["links"]["images"])

    assert client.get(batch["links"]["self"]).json()["counts"]["failed"] == 2
    rows = list(csv.DictReader(io.StringIO(client.get(batch["links"]["results"]).text)))
    assert [(row["status"], row["error_code"]) for row in rows] == [("failed", "image_lost")] * 2
    retried = client.post(batch["links"]["retry"])
    assert (retried.status_code, retried.json()["counts"]["queued"]) == (202, 2), retried.text
    for job in jobs:
        worker.make(job["id"], mug)
        assert client.get(f"/v1/jobs/{job['id']}").json()["cache"] == "miss"
        assert client.get(f"/v1/jobs/{job['id']}/image").content == mug
    assert client.get(batch["links"]["self"]).json()["state"] == "completed"


class _BadWire:
    """An S3 client whose first answers have a flipped bit."""

    def __init__(self, client, bad: int) -> None:
        self._client = client
        self.bad = bad

    def get_object(self, **values):
        found = self._client.get_object(**values)
        if self.bad:
            self.bad -= 1
            found["Body"] = io.BytesIO(DAMAGES["a flipped bit"](found["Body"].read()))
        return found

    def __getattr__(self, name):
        return getattr(self._client, name)


def test_a_bad_wire_is_no_damage_unless_it_stays_bad(storage, monkeypatch, mug):
    stored = storage.put_image(
        mug, tenant="shop", fingerprint="f" * 64, extension="png", content_type="image/png"
    )
    monkeypatch.setattr(storage, "client", _BadWire(storage.client, bad=1))
    assert storage.read(stored) == mug
    monkeypatch.setattr(storage, "client", _BadWire(storage.client, bad=2))
    with pytest.raises(StoredObjectLostError, match="other bytes"):
        storage.read(stored)


def test_whoever_hears_of_images_hears_of_a_loss(client, worker, mug, flip, database, shop):
    client.post("/v1/webhook-endpoints", json={"url": "https://shop.example/"})
    job_id = ask(client)["id"]
    flip(worker.make(job_id, mug))
    for _ in range(2):
        assert client.get(f"/v1/jobs/{job_id}/image").status_code == 410
    events = sorted(shop.all(WebhookEvent), key=lambda one: one.id)
    assert [one.type for one in events] == ["image.completed", "image.failed"]
    assert events[1].data["error"]["code"] == "image_lost"
