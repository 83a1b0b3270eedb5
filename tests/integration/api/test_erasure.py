"""Deleted batches, jobs and tenants: nothing of them is found in any store afterwards."""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import inspect, select, text
from sqlmodel import col

from cli.main import main
from core.db.models import (
    ApiKey,
    Batch,
    FetchedAddress,
    Generation,
    Image,
    Job,
    Source,
    WebhookDelivery,
    WebhookEvent,
)
from core.db.models.approximate import EMBEDDING_WIDTH, ApproximateLatents
from core.errors import GenerationFailedError
from core.keys import create_key
from core.lifecycle.approximation import NewEntry, add_entries
from core.storage import Storage
from ops.eraser import Eraser, RetentionLimits
from ops.janitor import Janitor, limits_of
from tests.integration.shop import image_of
from tests.pictures import near_white, png, product

PLANTED = "Ladoga-Wilhelmina-7731"
"""What people write into sheets although it is nobody's business."""


@pytest.fixture(scope="module")
def mug() -> bytes:
    return png(near_white(product()))


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"generation_retention_seconds": 3600})


@pytest.fixture
def eraser(database, storage, settings) -> Eraser:
    limits = RetentionLimits.of(settings)
    return Eraser(database=database, storage=storage, limits=limits)


@pytest.fixture
def janitor(database, storage, settings) -> Janitor:
    return Janitor(database=database, storage=storage, limits=limits_of(settings))


@pytest.fixture
def keep_house(eraser: Eraser, janitor: Janitor) -> Callable[[], None]:
    """Make a pass, as the housekeeping does."""

    def keep_house() -> None:
        eraser.clean()
        janitor.clean()

    return keep_house


@pytest.fixture
def found(database, storage, broker, caplog, capfd) -> Callable[..., list[str]]:
    """Search every store, and what was logged meanwhile, for a text."""
    for ours in ("api", "core", "ops", "packshot"):
        caplog.set_level(logging.DEBUG, logger=ours)
    folder = Path(tempfile.gettempdir())
    before = {path for path in folder.iterdir() if path.is_file()}
    # The bucket has what other tests left there.
    others = {key for key, _ in storage.listed("")}
    logged: list[str] = []

    def found(planted: str = PLANTED) -> list[str]:
        said = capfd.readouterr()
        logged.extend([caplog.text, said.out, said.err])
        new = [one for one in folder.iterdir() if one.is_file() and one not in before]
        return [
            *in_postgres(database, planted),
            *in_storage(storage, planted, others),
            *in_valkey(broker, planted),
            *(
                f"log: {line}"
                for written in logged
                for line in written.splitlines()
                if planted.lower() in line.lower()
            ),
            *(f"file {one}" for one in new if planted.lower().encode() in one.read_bytes().lower()),
        ]

    return found


def forms_of(planted: str) -> list[str]:
    """List the ways in which Postgres writes a text, or bytes that hold it; in lower case."""
    return [planted.lower(), planted.encode().hex()]


def in_postgres(database, planted: str) -> Iterator[str]:
    with database.session() as session:
        for table in inspect(database.engine).get_table_names():
            for (row,) in session.execute(text(f'select t::text from "{table}" as t')):
                if any(form in row.lower() for form in forms_of(planted)):
                    yield f"{table}: {row}"


def in_storage(storage: Storage, planted: str, others: set[str]) -> Iterator[str]:
    for key in {key for key, _ in storage.listed("")} - others:
        body = storage.client.get_object(Bucket=storage.bucket, Key=key)["Body"].read()
        if planted.lower() in key.lower() or planted.lower().encode() in body.lower():
            yield f"object {key}"


def in_valkey(broker, planted: str) -> Iterator[str]:
    for key in broker.client.scan_iter():
        if planted.lower().encode() in (key + (broker.client.dump(key) or b"")).lower():
            yield f"Valkey {key!r}"


def plant_sheet(client, **fields: str) -> dict:
    """Send a sheet that has the text wherever a sheet and a request may have one."""
    sheet = (
        f"sku,prompt,negative_prompt,{PLANTED} column\n"
        f"{PLANTED}-1,a mug for {PLANTED},no {PLANTED},call {PLANTED}\n"
        f"{PLANTED}-2,a jug for {PLANTED},no {PLANTED},call {PLANTED}\n"
        f"{PLANTED}-3,a cup for {PLANTED},no {PLANTED},call {PLANTED}\n"
    )
    answer = client.post(
        "/v1/batches",
        files={"file": (f"{PLANTED}.csv", sheet, "text/csv")},
        data={
            "callback_url": f"https://shop.example/{PLANTED}",
            "file_name": PLANTED + "-{{ line }}.{{ extension }}",
            "channels": "web",
        }
        | fields,
        headers={"Idempotency-Key": f"{PLANTED}-batch"},
    )
    assert answer.status_code == 202, answer.text
    return answer.json()


def plant_job(client, **fields: object) -> dict:
    request = {
        "prompt": f"a red mug for {PLANTED}",
        "negative_prompt": PLANTED,
        "sku": f"{PLANTED}-4",
        "callback_url": f"https://shop.example/{PLANTED}",
        "channels": ["web"],
    }
    answer = client.post(
        "/v1/jobs", json=request | fields, headers={"Idempotency-Key": f"{PLANTED}-job"}
    )
    assert answer.status_code == 202, answer.text
    return answer.json()


def plant_source(client, picture: bytes, name: str = "source") -> dict:
    answer = client.post(
        "/v1/sources",
        files={"file": (f"{PLANTED}.png", picture + PLANTED.encode())},
        headers={"Idempotency-Key": f"{PLANTED}-{name}"},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def plant_latents(database, storage: Storage, job: Job, image: Image) -> None:
    """Leave what the approximate cache of a worker leaves of an image."""
    key = f"latents/{job.tenant}/{image.generation_id}/010.npy"
    storage.put(key, PLANTED.encode(), content_type="application/octet-stream")
    latents = ApproximateLatents(
        generation_id=image.generation_id, step=10, key=key, digest="0" * 64, size=len(PLANTED)
    )
    entry = NewEntry(
        generation_id=image.generation_id,
        tenant=job.tenant,
        scope="s",
        bundle_revision="r1",
        prompt=job.prompt,
        embedding=[1.0] + [0.0] * (EMBEDDING_WIDTH - 1),
        latents=[latents],
    )
    with database.session() as session:
        add_entries(session, [entry])


@pytest.fixture
def planted(found, client, worker, mug, database, storage, shop) -> dict[str, str]:
    """Plant the text through the API: a sheet (a row made, one failed, one running), and a job."""
    assert client.post("/v1/callbacks/secret").status_code in (200, 201)
    hook = {"url": f"https://shop.example/{PLANTED}/hook", "description": PLANTED}
    assert client.post("/v1/webhook-endpoints", json=hook).status_code == 201
    batch = plant_sheet(client)
    made, failed, running = client.get(batch["links"]["items"]).json()["items"]
    image = worker.make(made["id"], mug + PLANTED.encode())
    plant_latents(database, storage, shop.job(UUID(made["id"])), image)
    worker.fail(failed["id"], GenerationFailedError(f"{PLANTED} is too hard"))
    worker.start(running["id"])
    job = plant_job(client)
    worker.make(job["id"], mug + PLANTED.encode())
    for one in (made, job):
        (link,) = client.get(f"/v1/jobs/{one['id']}").json()["renditions"]
        assert client.get(link["url"]).status_code == 200
    source = plant_source(client, mug)
    cancelled = client.post(
        f"/v1/jobs/{job['id']}/cancel", headers={"Idempotency-Key": f"{PLANTED}-cancel"}
    )
    assert cancelled.status_code == 202
    return {
        "batch": batch["id"],
        "job": job["id"],
        "source": source["id"],
        "public": link["public_url"],
    }


def test_nothing_of_a_deleted_batch_and_job_is_left(
    client, planted, found, keep_house, database, shop
):
    where = {one.partition(":")[0].partition(" ")[0] for one in found()}
    assert where >= {"batch", "job", "generation", "webhook_event", "webhook_delivery"}
    assert where >= {"idempotency_record", "approximate_entry", "source", "object"}
    assert "log" not in where

    assert client.delete(f"/v1/batches/{planted['batch']}").status_code == 200
    assert client.get(f"/v1/batches/{planted['batch']}").status_code == 404
    assert client.get(f"/v1/batches/{planted['batch']}/items").status_code == 404
    assert client.get("/v1/batches").json()["items"] == []
    assert client.delete(f"/v1/batches/{planted['batch']}").status_code == 404
    assert client.delete(f"/v1/jobs/{planted['job']}").status_code == 200
    assert client.get(f"/v1/jobs/{planted['job']}").status_code == 404
    assert client.get(planted["public"]).status_code == 404
    assert client.delete(f"/v1/sources/{planted['source']}").status_code == 200
    assert client.get(f"/v1/sources/{planted['source']}").status_code == 404
    keep_house()

    for table in (Batch, Job, Image, Source, WebhookEvent, WebhookDelivery, ApproximateLatents):
        assert shop.all(table) == [], table
    # The tenant's own settings, which are no batch's.
    assert [one for one in found() if not one.startswith(("webhook_endpoint:", "log"))] == []
    # What is left of the computations goes when no object can be theirs any more.
    with database.session() as session:
        session.execute(text("update generation set finished_at = now() - interval '2 hours'"))
    keep_house()
    assert shop.all(Generation) == []


def test_jobs_of_a_deleted_batch_are_seen_by_nobody_while_their_rows_are_still_there(
    client, planted, shop
):
    ids = [str(job.id) for job in shop.all(Job) if job.batch_id]
    (link, *_) = client.get(f"/v1/jobs/{ids[0]}").json()["renditions"]
    assert client.get(link["public_url"]).status_code == 200
    assert client.delete(f"/v1/batches/{planted['batch']}").status_code == 200
    assert len(shop.all(Job)) == 4
    for job_id in ids:
        for path in ("", "/image", "/renditions"):
            assert client.get(f"/v1/jobs/{job_id}{path}").status_code == 404
    assert client.get(link["public_url"]).status_code == 404


def test_what_others_use_stays_as_long_as_they_do(
    client, send, worker, mug, keep_house, found, shop
):
    batch = send(client, f"sku,prompt\n{PLANTED},a red mug\n")
    (first,) = client.get(batch["links"]["items"]).json()["items"]
    worker.make(first["id"], mug)
    other = client.post("/v1/jobs", json={"prompt": "a red mug", "channels": ["web"]}).json()
    assert other["cache"] == "exact"

    assert client.delete(batch["links"]["self"]).status_code == 200
    keep_house()

    assert found() == []
    assert client.get(f"/v1/jobs/{other['id']}/image").content == mug
    assert client.post("/v1/jobs", json={"prompt": "a red mug"}).json()["cache"] == "exact"
    for job in shop.all(Job):
        assert client.delete(f"/v1/jobs/{job.id}").status_code == 200
    keep_house()
    assert shop.all(Image) == []
    assert [one.prompt for one in shop.generations()] == [""]
    assert client.post("/v1/jobs", json={"prompt": "a red mug"}).json()["cache"] == "miss"


def test_who_waits_for_the_same_image_gets_it(client, send, worker, keep_house, mug):
    batch = send(client, "sku,prompt\nA,a red mug\n")
    other = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    assert other["cache"] == "coalesced"
    assert client.delete(batch["links"]["self"]).status_code == 200
    keep_house()
    worker.make(other["id"], mug)
    assert client.get(f"/v1/jobs/{other['id']}/image").content == mug


def test_a_row_of_a_batch_is_deleted_alone(client, planted, shop, found):
    of_batch = [job for job in shop.all(Job) if job.batch_id]
    for job in of_batch:
        assert client.delete(f"/v1/jobs/{job.id}").status_code == 200
        assert client.get(f"/v1/jobs/{job.id}").status_code == 404
    batch = client.get(f"/v1/batches/{planted['batch']}").json()
    assert (batch["total"], batch["state"]) == (0, "completed")
    assert client.get(batch["links"]["results"]).status_code == 200
    told = [event for event in shop.all(WebhookEvent) if event.job_id]
    assert {str(event.job_id) for event in told} == {planted["job"]}


def test_a_worker_that_ends_too_late_leaves_nothing(
    client, send, shop, storage, keep_house, mug, database, found
):
    assert client.post("/v1/callbacks/secret").status_code in (200, 201)
    job = plant_job(client)
    claim = shop.start(UUID(job["id"]))
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 200
    stored = storage.put_image(
        mug + PLANTED.encode(),
        tenant=claim.tenant,
        fingerprint=claim.fingerprint,
        extension="png",
        content_type="image/png",
        generation_id=claim.generation_id,
    )
    image = image_of(claim)
    image.key = stored.key
    assert shop.succeed(claim, image) is False
    plant_latents(database, storage, Job(tenant="shop", prompt=claim.spec.prompt), image)
    storage.delete([key for key, _ in storage.listed("latents/")])
    for _ in range(2):  # one lists the objects, the next one looks at them
        keep_house()
    assert found() == []
    assert shop.all(Image) == []


def test_no_webhook_tells_of_what_was_deleted(client, planted, shop):
    assert shop.all(WebhookDelivery) != []
    client.delete(f"/v1/jobs/{planted['job']}")
    for job in [one for one in shop.all(Job) if one.batch_id]:
        client.delete(f"/v1/jobs/{job.id}")
    assert [one.type for one in shop.all(WebhookEvent) if one.job_id] == []


def test_a_repeated_request_for_what_was_deleted_is_a_new_one(client, planted):
    again = plant_job(client)
    assert again["id"] == planted["job"], "the kept answer"
    client.delete(f"/v1/jobs/{planted['job']}")
    assert plant_job(client)["id"] != planted["job"]


@pytest.fixture
def run(settings, monkeypatch, capfd, environment):
    """Run `packshot tenants`; give the exit code, standard output and error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["packshot", "tenants", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_tenant_is_erased_from_every_store(
    client, stranger, planted, found, run, database, shop, send, worker, mug
):
    recipe = {"name": "summer", "note": PLANTED, "fields": {"negative_prompt": PLANTED}}
    assert client.post("/v1/recipes", json=recipe).status_code == 201
    with database.session() as session:
        create_key(session, "shop", PLANTED)
        create_key(session, "shop2", "another tenant, whose name begins alike")
    theirs = stranger.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(theirs["id"], mug)
    assert "log" not in {one.partition(":")[0] for one in found()}

    code, _, said = run("erase", "shop", "--confirm", "shop2")
    assert code != 0
    assert "Nothing was erased" in said
    assert len(shop.all(Job)) == 5
    code, _, said = run("erase", "shop", "--confirm", "shop")
    assert code == 0, said

    assert found() == []
    with database.session() as session:
        for table in (
            "api_key",
            "batch",
            "job",
            "image",
            "source",
            "webhook_endpoint",
            "callback_secret",
        ):
            count = text(f"select count(*) from {table} where tenant = 'shop'")
            assert session.execute(count).scalar_one() == 0, table
    assert client.get("/v1/batches").status_code == 401
    assert {key.tenant for key in shop.all(ApiKey)} == {"stranger", "shop2"}
    assert stranger.get(f"/v1/jobs/{theirs['id']}/image").content == mug
    assert run("erase", "shop", "--confirm", "shop")[0] == 0


def test_a_receipt_says_what_was_erased_and_what_stays(client, send, worker, keep_house, mug):
    batch = send(client, "sku,prompt\nA,a red mug\nB,a blue mug\n", channels="web")
    red, blue = client.get(batch["links"]["items"]).json()["items"]
    for one in (red, blue):
        worker.make(one["id"], mug)
    assert client.get(f"/v1/jobs/{red['id']}/renditions/web").is_success
    assert client.get(f"/v1/jobs/{blue['id']}/renditions/web").is_success
    other = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    assert other["cache"] == "exact"
    receipt = client.delete(batch["links"]["self"]).json()
    assert receipt["erased"] == batch["links"]["self"]
    counted = {name: receipt[name] for name in ("jobs", "images", "renditions", "kept_images")}
    assert counted == {"jobs": 2, "images": 1, "renditions": 1, "kept_images": 1}
    assert not receipt["is_complete"]
    alone = client.delete(f"/v1/jobs/{other['id']}").json()
    assert (alone["jobs"], alone["kept_images"], alone["is_complete"]) == (1, 1, True)
    keep_house()


def test_an_image_alone_is_erased_from_all_jobs_that_have_it(
    client, worker, keep_house, mug, shop, storage
):
    first = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    assert client.delete(f"/v1/jobs/{first['id']}/image").status_code == 409
    image = worker.make(first["id"], mug)
    second = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    assert client.get(f"/v1/jobs/{second['id']}/renditions/web").is_success
    receipt = client.delete(f"/v1/jobs/{first['id']}/image").json()
    assert (receipt["jobs"], receipt["images"], receipt["renditions"]) == (0, 1, 1)
    for job in (first, second):
        assert client.get(f"/v1/jobs/{job['id']}").json()["state"] == "succeeded"
        assert client.get(f"/v1/jobs/{job['id']}/image").status_code == 410
        assert client.delete(f"/v1/jobs/{job['id']}/image").status_code == 410
    keep_house()
    assert shop.all(Image) == []
    assert image.key not in {key for key, _ in storage.listed("")}
    assert client.post("/v1/jobs", json={"prompt": "a red mug"}).json()["cache"] == "miss"


def cut_out(client, **fields: object) -> dict:
    answer = client.post("/v1/jobs", json={"mode": "cutout"} | fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


def note_address(database, source: dict, address: str) -> None:
    """Note that an address led to a photograph, as the fetcher does."""
    with database.session() as session:
        session.add(
            FetchedAddress(
                tenant="shop",
                address_digest=hashlib.sha256(address.encode()).hexdigest(),
                address=address,
                source_id=UUID(source["id"]),
                fresh_until=datetime.now(UTC),
            )
        )


def test_images_of_a_photograph_go_with_it_when_that_is_asked_for(
    client, worker, keep_house, mug, shop, storage, database
):
    hook = {"url": "https://shop.example/hook"}
    assert client.post("/v1/webhook-endpoints", json=hook).status_code == 201
    source, other = plant_source(client, mug), plant_source(client, mug + b".", "other")
    led, left = "https://shop.example/a.jpg", "https://shop.example/b.jpg"
    note_address(database, source, led)
    made = {
        "by id": cut_out(client, source=source["id"]),
        "by address": cut_out(client, source=led),
        "as a mask": cut_out(client, source=other["id"], mask=source["id"]),
        "by an address that leads elsewhere now": cut_out(client, source=left),
        "of another": cut_out(client, source=other["id"]),
        "of none": client.post("/v1/jobs", json={"prompt": "a red mug"}).json(),
    }
    keys = {name: worker.make(job["id"], mug).key for name, job in made.items()}
    with database.session() as session:
        told = select(Image).where(col(Image.key) == keys["by an address that leads elsewhere now"])
        session.execute(told).scalar_one().made_of = [source["digest"]]
    assert client.get(f"/v1/jobs/{made['by id']['id']}/renditions/web").is_success
    waiting = cut_out(client, source=source["id"], width=640)
    running = cut_out(client, source=led, width=640)
    claim = shop.start(UUID(running["id"]))

    receipt = client.delete(f"/v1/sources/{source['id']}?images=true").json()

    counted = {one: receipt[one] for one in ("photographs", "images", "renditions", "events")}
    assert counted == {"photographs": 1, "images": 4, "renditions": 1, "events": 4}
    assert (receipt["is_complete"], receipt["objects_gone_at"]) == (True, None)
    stay = {"of another", "of none"}
    for name, job in made.items():
        assert client.get(f"/v1/jobs/{job['id']}").json()["state"] == "succeeded"
        status = client.get(f"/v1/jobs/{job['id']}/image").status_code
        assert status == (200 if name in stay else 410), name
    for job in (waiting, running):
        assert client.get(f"/v1/jobs/{job['id']}").json()["state"] == "canceled"
    assert shop.succeed(claim) is False
    assert {str(one.job_id) for one in shop.all(WebhookEvent)} == {made[one]["id"] for one in stay}
    for _ in range(2):  # one deletes the objects, the next one notes it
        keep_house()
    assert {one.key for one in shop.all(Image)} == {keys[name] for name in stay}
    assert not (set(keys.values()) - {keys[name] for name in stay}) & {
        key for key, _ in storage.listed("")
    }
    again = client.get(f"/v1/erasures/{receipt['id']}").json()
    assert again["objects_gone_at"] is not None
    assert again | {"objects_gone_at": None} == receipt


def test_images_of_a_photograph_stay_otherwise(client, worker, mug, keep_house):
    source = plant_source(client, mug)
    job = cut_out(client, source=source["id"])
    worker.make(job["id"], mug)
    receipt = client.delete(f"/v1/sources/{source['id']}").json()
    assert (receipt["photographs"], receipt["images"]) == (1, 0)
    keep_house()
    assert client.get(f"/v1/jobs/{job['id']}/image").content == mug


def test_receipts_are_read_again_and_say_when_nothing_is_left(
    client, stranger, planted, keep_house, database, eraser
):
    paths = [f"/v1/batches/{planted['batch']}", f"/v1/sources/{planted['source']}"]
    written = [client.delete(path).json() for path in paths]
    page = client.get("/v1/erasures", params={"limit": 1}).json()
    assert page["items"] == [written[1]]
    assert client.get("/v1/erasures", params={"cursor": page["next"]}).json()["items"] == [
        written[0]
    ]
    assert client.get("/v1/erasures", params={"erased": paths[0]}).json()["items"] == [written[0]]
    assert [one["is_complete"] for one in written] == [False, True]
    assert stranger.get("/v1/erasures").json()["items"] == []
    assert stranger.get(f"/v1/erasures/{written[0]['id']}").status_code == 404

    for _ in range(2):  # one deletes the objects, the next one notes it
        keep_house()
    for before in written:
        after = client.get(f"/v1/erasures/{before['id']}").json()
        assert after["is_complete"], after
        assert after["objects_gone_at"] > before["erased_at"]

    with database.session() as session:
        session.execute(
            text("update erasure_receipt set created_at = created_at - interval '4 years'")
        )
    eraser.clean()
    assert client.get("/v1/erasures").json()["items"] == []


def test_the_record_of_a_computation_forgets_its_photograph(client, shop):
    job = cut_out(client, source=f"https://shop.example/{PLANTED}.jpg")
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 200
    assert [one.photograph for one in shop.generations()] == [None]
