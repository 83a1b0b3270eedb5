"""POSTs that come twice."""

import threading
from uuid import uuid4

import pytest
from sqlalchemy import text

from core import idempotency
from core.db.models import ApiKey, ApproximateLatents, Batch, IdempotencyRecord, Job
from core.db.models.approximate import EMBEDDING_WIDTH
from core.idempotency import Attempt
from core.lifecycle.approximation import NewEntry, add_entries
from tests.integration.api.conftest import connect, serving
from tests.integration.api.test_tenants import operations
from tests.pictures import png, product

MUG = {"prompt": "a red mug"}


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def age(database, seconds: float) -> None:
    with database.session() as session:
        session.execute(
            text("update idempotency_record set created_at = now() - make_interval(secs => :s)"),
            {"s": seconds},
        )


def test_the_same_request_is_done_once_and_answered_again(client, shop):
    headers = key()
    first = client.post("/v1/jobs", json=MUG, headers=headers)
    second = client.post("/v1/jobs", json=MUG, headers=headers)
    assert first.status_code == second.status_code == 202
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert len(shop.all(Job)) == 1


def test_every_post_is_done_once(client, things):
    bodies = {
        "/v1/jobs": MUG,
        "/v1/bulk-jobs": {"requests": [MUG]},
        "/v1/batches": {"rows": [{"sku": "A", "prompt": "a blue mug"}]},
        "/v1/batches/{batch_id}/approvals": {"state": "rejected", "waiting": {}},
        "/v1/publish-targets": {
            **{"name": "winter", "kind": "shopify", "address": "https://shop.example"},
            "credentials": {"access_token": "shpat_of_the_tests"},
        },
        "/v1/publishes": {"batch_id": things["batch_id"], "target": "summer"},
        "/v1/recipes": {"name": "spring", "fields": {"steps": 4}},
        "/v1/cache/purge": {"all": True},
        "/v1/keys": {"name": "second"},
        "/v1/webhook-endpoints": {"url": "https://shop.example/second"},
        "/v1/webhook-endpoints/{endpoint_id}/replay": {"since": "2026-01-01T00:00:00Z"},
    }
    photograph = {"file": ("mug.png", png(product()))}
    files = {"/v1/sources": photograph, "/v1/detect": photograph}
    # A run is planned by a process that does not run here, and neither starts nor is undone before.
    unplanned = {"/v1/publishes/{run_id}/start", "/v1/publishes/{run_id}/undo"}
    posts = [path for method, path in operations(client) if method == "POST"]
    assert unplanned < set(posts)
    assert set(bodies) | set(files) < set(posts)
    for path in (one for one in posts if one not in unplanned):
        named, headers = path.format(**things), key()
        body = {"files": files[path]} if path in files else {"json": bodies.get(path, {})}
        first, second = (client.post(named, headers=headers, **body) for _ in range(2))
        assert first.is_success, (path, first.text)
        if "no-store" in first.headers.get("cache-control", ""):
            assert second.json()["code"] == "answer_not_kept", path
        else:
            assert second.headers["idempotency-replayed"] == "true", path
            assert (second.status_code, second.content) == (first.status_code, first.content)


def test_also_when_the_image_is_finished(client, worker):
    headers = key()
    first = client.post("/v1/jobs", json=MUG, headers=headers).json()
    worker.make(first["id"])
    assert client.post("/v1/jobs", json=MUG, headers=headers).json() == first
    assert client.get(f"/v1/jobs/{first['id']}").json()["state"] == "succeeded"


def test_without_a_key_it_is_done_twice(client, shop):
    for _ in range(2):
        client.post("/v1/jobs", json=MUG)
    assert len(shop.all(Job)) == 2


def test_another_request_with_the_same_key_is_refused(client, shop):
    headers = key()
    job = client.post("/v1/jobs", json=MUG, headers=headers).json()
    for path, body in (
        ("/v1/jobs", {"prompt": "a blue mug"}),
        (f"/v1/jobs/{job['id']}/cancel", MUG),
    ):
        answer = client.post(path, json=body, headers=headers)
        assert answer.status_code == 422, path
        assert answer.json()["code"] == "idempotency_mismatch"
    assert shop.job(job["id"]).state == "queued"


def test_a_body_that_no_route_reads_is_part_of_the_request(client):
    headers = key()
    job = client.post("/v1/jobs", json=MUG).json()
    path = f"/v1/jobs/{job['id']}/cancel"
    assert client.post(path, json={}, headers=headers).status_code == 202
    assert client.post(path, json={}, headers=headers).status_code == 202
    assert client.post(path, json={"why": "late"}, headers=headers).status_code == 422


def test_a_kept_answer_is_written_as_one_without_a_key(client):
    batch = client.post("/v1/batches", json={"rows": [{"sku": "A", "prompt": "a blue mug"}]})
    path = f"/v1/batches/{batch.json()['id']}/cancel"
    client.post(path)
    with_key, without = client.post(path, headers=key()), client.post(path)
    assert with_key.content == without.content
    varying = {"x-request-id", "date"}
    assert {name: value for name, value in with_key.headers.items() if name not in varying} == {
        name: value for name, value in without.headers.items() if name not in varying
    }


def test_a_key_belongs_to_its_sender(client, stranger, shop):
    headers = key()
    one = client.post("/v1/jobs", json=MUG, headers=headers).json()
    other = stranger.post("/v1/jobs", json=MUG, headers=headers).json()
    assert one["id"] != other["id"]


def test_a_sheet_sent_again_with_another_boundary_is_the_same(client, shop):
    headers = key()
    bodies = set()
    for boundary in ("one", "another-and-longer"):
        sent = headers | {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        answer = client.post(
            "/v1/batches",
            headers=sent,
            content=(
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
                f'filename="a.csv"\r\n\r\nsku,prompt\nA,a red mug\n\r\n--{boundary}--\r\n'
            ).encode(),
        )
        assert answer.status_code == 202, answer.text
        bodies.add(answer.content)
    assert len(bodies) == 1
    assert len(shop.all(Batch)) == 1


def form(boundary: str, cell: str) -> dict:
    head = 'Content-Disposition: form-data; name="file"; filename="a.csv"'
    body = f"--{boundary}\r\n{head}\r\n\r\nsku,prompt\nA,{cell}\n\r\n--{boundary}--\r\n"
    content_type = {"Content-Type": f'multipart/form-data; boundary="{boundary}"'}
    return {"content": body.encode(), "headers": content_type}


@pytest.mark.parametrize("other", ["a redQQ mug", "a QQred mug", "a red mugQQQQ", "a red mu", ""])
def test_a_sheet_with_other_cells_is_another_even_if_they_hold_the_boundary(client, shop, other):
    sent = key()
    for cell, status in (("a red mug", 202), (other, 422)):
        request = form("QQ", cell)
        answer = client.post(
            "/v1/batches", content=request["content"], headers=request["headers"] | sent
        )
        assert answer.status_code == status, answer.text
    assert answer.json()["code"] == "idempotency_mismatch"
    assert len(shop.all(Batch)) == 1


def test_a_large_sheet_comes_whole_through_the_file_that_keeps_it(client, send):
    sheet = "sku,prompt\n" + "".join(f"S{n},a red mug {n}\n" for n in range(3000))
    rows = [{"sku": f"S{n}", "prompt": "a mug", "seed": n, "note": "x" * 500} for n in range(3000)]
    forms = [
        client.post("/v1/batches", files={"file": ("a.csv", sheet)}, headers=headers)
        for headers in [key()] * 2
    ]
    bodies = [
        client.post("/v1/batches", json={"rows": rows}, headers=headers) for headers in [key()] * 2
    ]
    for first, second in (forms, bodies):
        assert first.json()["total"] == 3000
        assert first.content == second.content


def test_what_is_still_being_processed_is_said_to_be(client, database, shop):
    headers = key()
    (caller,) = shop.all(ApiKey)
    attempt = Attempt(
        api_key_id=caller.id, key=headers["Idempotency-Key"], digest="", path="/v1/jobs"
    )
    with database.session() as session:
        idempotency.begin(session, attempt, ttl_seconds=60)
        answer = client.post("/v1/jobs", json=MUG, headers=headers)
    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_in_progress"
    assert answer.json()["retry_helps"] is True
    assert answer.headers["retry-after"] == "1"
    assert client.post("/v1/jobs", json=MUG, headers=headers).status_code == 202


def test_many_at_the_same_time_make_one_job(client, shop):
    headers, answers = key(), []

    def post() -> None:
        answers.append(client.post("/v1/jobs", json=MUG, headers=headers))

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    assert len(shop.all(Job)) == 1


def test_work_without_its_answer_is_undone(client, database, shop, monkeypatch):
    """As when the process dies between the two: they are one transaction."""
    from api.routing import transaction_route

    headers = key()
    with monkeypatch.context() as patch:
        patch.setattr(transaction_route, "record", lambda *_: 1 / 0)
        answer = client.post("/v1/jobs", json=MUG, headers=headers)
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert answer.headers["Connection"] == "close"
    assert shop.all(Job) == []
    assert client.post("/v1/jobs", json=MUG, headers=headers).status_code == 202
    assert len(shop.all(Job)) == 1


def test_what_follows_work_that_was_undone_is_not_done(
    settings, database, storage, shop, monkeypatch
):
    """A purge deletes latents from S3 after its answer: not those that can still be found."""
    from api.routing import transaction_route

    latents = ApproximateLatents(generation_id=uuid4(), step=2, key="latents/a", digest="", size=1)
    entry = NewEntry(
        generation_id=latents.generation_id,
        tenant="shop",
        scope="",
        bundle_revision="r1",
        prompt="a red mug",
        embedding=[1.0] + [0.0] * (EMBEDDING_WIDTH - 1),
        latents=[latents],
    )
    with database.session() as session:
        add_entries(session, [entry])
    storage.put("latents/a", b"x", content_type="application/octet-stream")
    with monkeypatch.context() as patch, serving(settings) as url:
        patch.setattr(transaction_route, "record", lambda *_: 1 / 0)
        with connect(database, url, "shop") as client:
            answer = client.post("/v1/cache/purge", json={"all": True}, headers=key())
        assert answer.json()["code"] == "internal_error"
    # The server has ended, and with it all that it left for after its answers.
    assert len(shop.all(ApproximateLatents)) == 1
    assert "latents/a" in dict(storage.listed("latents/")), (
        "the bucket has other tests' latents, too"
    )


def test_what_was_refused_can_be_sent_again_corrected(client, shop):
    headers = key()
    assert client.post("/v1/jobs", json={"prompt": ""}, headers=headers).status_code == 422
    assert client.post("/v1/jobs", json=MUG, headers=headers).status_code == 202
    assert len(shop.all(IdempotencyRecord)) == 1


@pytest.mark.parametrize(
    ("path", "body", "secret"),
    [
        ("/v1/keys", {"name": "second"}, "key"),
        ("/v1/webhook-endpoints", {"url": "https://shop.example/"}, "secret"),
        ("/v1/callbacks/secret", None, "secret"),
    ],
)
def test_a_secret_is_not_kept(client, shop, path, body, secret):
    headers = key()
    made = client.post(path, json=body, headers=headers)
    assert made.is_success
    assert made.headers["cache-control"] == "no-store"
    again = client.post(path, json=body, headers=headers)
    assert again.status_code == 409
    assert again.json()["code"] == "answer_not_kept"
    assert made.headers.get("location", "") in again.json()["detail"]
    (record,) = shop.all(IdempotencyRecord)
    assert record.body is None
    assert made.json()[secret] not in str(record.headers)


def test_an_answer_is_kept_for_its_time_and_then_pruned(client, database, shop, settings):
    headers = key()
    client.post("/v1/jobs", json=MUG, headers=headers)
    age(database, settings.idempotency_seconds - 60)
    with database.session() as session:
        assert idempotency.prune(session, ttl_seconds=settings.idempotency_seconds) == 0
    assert client.post("/v1/jobs", json={"prompt": "b"}, headers=headers).status_code == 422
    age(database, settings.idempotency_seconds + 1)
    assert client.post("/v1/jobs", json={"prompt": "b"}, headers=headers).status_code == 202
    age(database, settings.idempotency_seconds + 1)
    with database.session() as session:
        assert idempotency.prune(session, ttl_seconds=settings.idempotency_seconds) == 1
    assert shop.all(IdempotencyRecord) == []


@pytest.mark.parametrize("bad", ["", "a b", '"', "x" * 256, '"a'])
def test_a_key_that_is_none_is_refused(client, bad):
    answer = client.post("/v1/jobs", json=MUG, headers={"Idempotency-Key": bad})
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]


def test_a_quoted_key_is_the_same_as_a_bare_one(client):
    first = client.post("/v1/jobs", json=MUG, headers={"Idempotency-Key": '"order-66"'})
    second = client.post("/v1/jobs", json=MUG, headers={"Idempotency-Key": "order-66"})
    assert first.json() == second.json()


def test_a_body_that_is_too_large_is_refused_with_a_key_too(serve, settings):
    client = serve(settings.model_copy(update={"max_upload_bytes": 1000}))
    for content in (b"x" * 2000, iter([b"x" * 600, b"x" * 600])):
        answer = client.post("/v1/jobs", content=content, headers=key())
        assert answer.status_code == 413, answer.text


def test_without_a_working_key_nothing_is_kept(client, shop):
    headers = key() | {"Authorization": "Bearer psk_wrong"}
    assert client.post("/v1/jobs", json=MUG, headers=headers).status_code == 401
    assert shop.all(IdempotencyRecord) == []
