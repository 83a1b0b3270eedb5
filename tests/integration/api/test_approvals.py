"""Approval: what people say of images, and every way in which an image leaves."""

import ast
import io
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4
from zipfile import ZipFile

import httpx
import pytest
from sqlmodel import select

from api.exports.feed import open_feed
from api.services import open_services
from catalogue.channels import find_channel
from core.db.models import Image, Job, WebhookEvent
from core.domain.scopes import Scope
from core.keys import create_key
from core.lifecycle import retention
from core.publishing.images import publishable, still_publishable
from core.webhooks import endpoints
from tests.pictures import near_white, png, product

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def picture() -> bytes:
    return png(near_white(product()))


@pytest.fixture
def gated(client, send, worker, picture) -> Callable[..., dict]:
    """Send a sheet of one row that needs approval, make its image, and show its job."""

    def gated(**fields: object) -> dict:
        said = {"require_approval": "true", "channels": "web", **fields}
        batch = send(client, f"sku,prompt\nA,a red mug {uuid4()}\n", **said)
        (job,) = client.get(batch["links"]["items"]).json()["items"]
        worker.make(job["id"], picture)
        return client.get(f"/v1/jobs/{job['id']}").json()

    return gated


@pytest.fixture
def judge(client) -> Callable[..., httpx.Response]:
    def judge(job: str, state: str, version: int = 0, **said: object) -> httpx.Response:
        body = {"state": state, "version": version, **said}
        return client.put(f"/v1/jobs/{job}/approval", json=body)

    return judge


@pytest.fixture
def as_key(client, database) -> Callable[..., httpx.Client]:
    """Open a client of the same tenant with other scopes or another name."""
    opened = []

    def as_key(*scopes: Scope, name: str = "") -> httpx.Client:
        with database.session() as session:
            _, plain = create_key(session, "shop", name, scopes=scopes or tuple(Scope))
        opened.append(
            httpx.Client(
                base_url=client.base_url,
                headers={"Authorization": f"Bearer {plain}"},
                timeout=60,
                trust_env=False,
            )
        )
        return opened[-1]

    yield as_key
    for one in opened:
        one.close()


def public_path(database, job: Mapping) -> str:
    """Write the address that a job names when its image may be given out."""
    with database.session() as session:
        token = session.get_one(Image, session.get_one(Job, job["id"]).image_id).token
    return f"/files/{token.hex}/web/{job['renditions'][0]['file_name']}"


def from_public_address(client, database, job) -> bool:
    return httpx.get(f"{client.base_url}{public_path(database, job)}", trust_env=False).is_success


def from_rendition(client, database, job) -> bool:
    return client.get(f"/v1/jobs/{job['id']}/renditions/web").is_success


def from_presigned(client, database, job) -> bool:
    return client.get(f"/v1/jobs/{job['id']}/image?redirect=1").status_code == 307


def from_archive(client, database, job) -> bool:
    return in_archive(client, job, "")


def from_channel_archive(client, database, job) -> bool:
    return in_archive(client, job, "?channel=web")


def from_workbook(client, database, job) -> bool:
    answer = client.get(f"/v1/batches/{job['batch_id']}/results.xlsx")
    names = ZipFile(io.BytesIO(answer.content)).namelist()
    assert "xl/workbook.xml" in names
    return any(one.startswith("xl/media/") for one in names)


def into_a_store(client, database, job) -> bool:
    with database.session() as session:
        planned = publishable(session, "shop", UUID(job["batch_id"]))
        at_its_turn = still_publishable(session, [UUID(job["id"])])
    assert len(planned) == len(at_its_turn)
    return bool(planned)


def in_archive(client, job, query: str) -> bool:
    answer = client.get(f"/v1/batches/{job['batch_id']}/images.zip{query}")
    names = ZipFile(io.BytesIO(answer.content)).namelist()
    assert answer.status_code == 200
    assert len(names) == 1
    return names != ["MISSING.txt"]


def as_a_reader(client, database, job) -> bool:
    with database.session() as session:
        _, plain = create_key(session, "shop", scopes=[Scope.READ])
    headers = {"Authorization": f"Bearer {plain}"}
    return client.get(f"/v1/jobs/{job['id']}/image", headers=headers).is_success


def named_address(client, database, job) -> bool:
    """Whether an address that needs no key is named anywhere."""
    job_path, batch_path = f"/v1/jobs/{job['id']}", f"/v1/batches/{job['batch_id']}"
    paths = (
        *(job_path, f"{job_path}/renditions", f"{batch_path}/items"),
        *(f"{batch_path}/results.csv", f"{batch_path}/manifest.jsonl"),
    )
    found = {"/files/" in client.get(path).text for path in paths}
    assert len(found) == 1
    return found.pop()


GIVING_OUT = (
    *(from_public_address, from_rendition, from_presigned, from_archive, from_channel_archive),
    *(from_workbook, into_a_store, as_a_reader, named_address),
)


@pytest.mark.parametrize("way", GIVING_OUT)
def test_only_what_is_approved_is_given_out(client, database, gated, judge, way):
    job = gated()
    assert job["approval"] == {
        "state": "pending", "by": None, "at": None, "reason": None, "version": 0,
    }  # fmt: skip
    assert not way(client, database, job)
    assert judge(job["id"], "approved").is_success
    assert way(client, database, job)
    assert judge(job["id"], "rejected", 1).is_success
    assert not way(client, database, job)
    assert judge(job["id"], "pending", 2).is_success
    assert not way(client, database, job)


@pytest.mark.parametrize("way", GIVING_OUT)
def test_without_the_gate_all_but_what_is_rejected_is_given_out(
    client, database, gated, judge, way
):
    job = gated(require_approval="false")
    assert way(client, database, job)
    assert judge(job["id"], "rejected").is_success
    reads = way is as_a_reader  # A look at it is no giving out.
    assert way(client, database, job) is reads


def test_a_feed_names_approved_images_alone(settings, gated, judge):
    job = gated(channels="google_merchant")
    named = settings.model_copy(update={"public_url": "https://images.example"})
    channel = find_channel("google_merchant")
    with open_services(named) as services:

        def names_one() -> bool:
            feed = open_feed(services, "shop", UUID(job["batch_id"]), channel)
            return b"https://images.example/files/" in b"".join(feed.chunks)

        assert not names_one()
        assert judge(job["id"], "approved").is_success
        assert names_one()
        assert judge(job["id"], "rejected", 1).is_success
        assert not names_one()


HANDING_OUT = {
    # Asks `find_to_give_out`, or `find_to_look_at` where it shows an image to a key.
    "api/routes/jobs.py": {"open_image", "open_presigned", "ready_image"},
    "api/routes/renditions.py": {"public_image", "ready_image", "rendition_body"},
    "api/exports/archive.py": {"read", "ready_image", "rendition_body"},
    "api/exports/workbook.py": {"read", "ready_image"},
    # Says what a file's marks are.
    "api/pages/images.py": {"open_image", "ready_image"},
    # The workbench shows an image to who is signed in.
    "api/pages/pictures.py": {"open_image", "ready_image"},
    "api/openai/answer.py": {"open_image", "presign", "ready_image"},
    # Handed images of which `still_publishable` was asked when their turn had come.
    "ops/publishing/files.py": {"read"},
    # What those are made of; they are handed an image.
    "api/views/images.py": {"presign", "read", "stream"},
    # Photographs that came in, and no image.
    "api/views/sources.py": {"read", "stream"},
    "core/sources/store.py": {"read"},
    # Inside the deployment: bytes that come back in another image, and checks.
    "catalogue/renditions/store.py": {"read"},
    "ops/inspector.py": {"stream"},
    "worker/approximate/cache.py": {"read"},
    "worker/scenes/backgrounds.py": {"read"},
}
"""Every module that reads an image's bytes or makes an address of them, and by which calls."""


def test_every_way_out_is_known():
    found: dict[str, set[str]] = {}
    for room in ("api", "catalogue", "core", "ops", "worker"):
        for path in sorted((ROOT / room).rglob("*.py")):
            called = set(_handing_out(ast.parse(path.read_text())))
            if called:
                found[path.relative_to(ROOT).as_posix()] = called
    assert found == HANDING_OUT, "a way out that is new: gate it, test it above, and name it here"


READS = ("read", "stream", "presign")
"""Of a storage."""


def _handing_out(tree: ast.AST):
    named = {"open_image", "open_presigned", "public_image", "ready_image", "rendition_body"}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        target = node.func
        # `partial(open_image, …)`, too.
        for one in (target, *node.args):
            if isinstance(one, ast.Name) and one.id in named:
                yield one.id
            is_read = isinstance(one, ast.Attribute) and one.attr in READS
            if is_read and ast.unparse(one.value).endswith("storage"):
                yield one.attr


def test_who_judges_looks_at_what_waits(client, as_key, gated, picture):
    job = gated()
    looked = client.get(f"/v1/jobs/{job['id']}/image")
    assert looked.content == picture
    # It is asked for again each time: it may be rejected, or the key lose its scope.
    assert looked.headers["cache-control"] == "private, no-cache"
    refused = as_key(Scope.READ).get(f"/v1/jobs/{job['id']}/image")
    assert refused.status_code == 409
    assert refused.json()["code"] == "not_approved"
    assert f"PUT /v1/jobs/{job['id']}/approval" in refused.json()["detail"]
    # Without the gate nothing is different.
    free = gated(require_approval="false")
    plain = as_key(Scope.READ).get(f"/v1/jobs/{free['id']}/image")
    assert plain.headers["cache-control"] == "private, max-age=31536000, immutable"


def test_shared_caches_ask_whether_an_approved_image_may_still_be_given_out(
    client, database, gated, judge
):
    job = gated()
    judge(job["id"], "approved")
    address = f"{client.base_url}{public_path(database, job)}"
    answer = httpx.get(address, trust_env=False)
    assert answer.headers["cache-control"] == "public, no-cache, must-revalidate"
    asked = {"If-None-Match": answer.headers["etag"]}
    assert httpx.get(address, headers=asked, trust_env=False).status_code == 304
    judge(job["id"], "rejected", 1)
    assert httpx.get(address, headers=asked, trust_env=False).status_code == 404
    free = gated(require_approval="false")
    address = f"{client.base_url}{public_path(database, free)}"
    cached = httpx.get(address, trust_env=False).headers["cache-control"]
    assert cached == "public, max-age=86400"


def test_jobs_that_share_an_image_are_judged_apart(client, send, worker, judge, picture, database):
    sheet = "sku,prompt\nA,a red mug\nB,a red mug\n"
    batch = send(client, sheet, require_approval="true", channels="web")
    one, other = client.get(batch["links"]["items"]).json()["items"]
    worker.make(one["id"], picture)
    judge(one["id"], "approved")
    judge(other["id"], "rejected")
    assert from_rendition(client, database, one)
    assert not from_rendition(client, database, other)
    archive = client.get(batch["links"]["images"])
    names = ZipFile(io.BytesIO(archive.content)).namelist()
    assert names == [one["file_name"] or "A_1.png", "MISSING.txt"]


def test_an_archive_asks_for_each_image_when_its_turn_has_come(
    client, send, worker, judge, picture, monkeypatch
):
    """A slow reader's page of rows is old when the last of its images is read."""
    batch = send(client, "sku,prompt\nA,a red mug\n", require_approval="true")
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    worker.make(job["id"], picture)
    judge(job["id"], "approved")
    from api.exports.results import BatchRows

    read = BatchRows.next_page

    def read_and_reject(self, rows):
        page = read(self, rows)
        if page:
            assert judge(job["id"], "rejected", 1).is_success
        return page

    monkeypatch.setattr(BatchRows, "next_page", read_and_reject)
    archive = ZipFile(io.BytesIO(client.get(batch["links"]["images"]).content))
    assert archive.namelist() == ["MISSING.txt"]
    assert "was rejected by" in archive.read("MISSING.txt").decode()


def test_a_recipe_asks_for_approval(client, send):
    recipe = {"name": "shop", "fields": {"require_approval": True}}
    assert client.post("/v1/recipes", json=recipe).status_code == 201
    batch = send(client, "sku,prompt\nA,a red mug\n", recipe="shop")
    assert batch["require_approval"] is True
    job = client.post("/v1/jobs", json={"prompt": "a red mug", "recipe": "shop"}).json()
    assert job["require_approval"] is True
    assert client.post("/v1/jobs", json={"prompt": "a mug"}).json()["require_approval"] is False


def test_a_judgement_says_who_when_and_why_and_what_was_before(client, as_key, gated):
    job = gated()
    anna, ben = as_key(name="Anna"), as_key(name="Ben")
    path = f"/v1/jobs/{job['id']}/approval"
    shown = anna.put(path, json={"state": "rejected", "reason": "The handle is cut off."}).json()
    assert shown["approval"]["by"] == "Anna"
    assert shown["approval"]["reason"] == "The handle is cut off."
    assert shown["approval"]["version"] == 1
    assert ben.put(path, json={"state": "approved", "version": 1}).is_success
    items = client.get(f"/v1/jobs/{job['id']}/judgements").json()["items"]
    assert [(one["by"], one["before"], one["after"], one["reason"]) for one in items] == [
        ("Ben", "rejected", "approved", None),
        ("Anna", "pending", "rejected", "The handle is cut off."),
    ]
    assert {one["digest"] for one in items} == {job["image"]["digest"]}
    assert items[0]["at"] == client.get(f"/v1/jobs/{job['id']}").json()["approval"]["at"]


def test_who_judges_what_somebody_else_has_judged_is_told_who_and_when(client, as_key, gated):
    job = gated()
    path = f"/v1/jobs/{job['id']}/approval"
    assert as_key(name="Anna").put(path, json={"state": "rejected"}).is_success
    answer = as_key(name="Ben").put(path, json={"state": "approved"})
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["code"] == "judged_meanwhile"
    assert (problem["approval"]["by"], problem["approval"]["state"]) == ("Anna", "rejected")
    assert problem["detail"].startswith("Anna has judged it meanwhile: rejected since 20")
    # Who says the same is content.
    assert as_key(name="Ben").put(path, json={"state": "rejected"}).is_success
    assert len(client.get(f"/v1/jobs/{job['id']}/judgements").json()["items"]) == 1


def test_of_two_who_judge_at_the_same_moment_one_is_told(client, as_key, gated):
    job = gated()
    people = [as_key(name=f"reviewer {number}") for number in range(6)]
    path = f"/v1/jobs/{job['id']}/approval"

    def judge(number: int) -> int:
        state = ("approved", "rejected")[number % 2]
        return people[number].put(path, json={"state": state}).status_code

    with ThreadPoolExecutor(len(people)) as pool:
        codes = sorted(pool.map(judge, range(len(people))))
    # Who said what the first one said is content, too.
    assert codes == [200, 200, 200, 409, 409, 409]
    assert len(client.get(f"/v1/jobs/{job['id']}/judgements").json()["items"]) == 1


def test_what_has_no_image_is_not_judged(client, judge):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    answer = judge(job["id"], "approved")
    assert answer.status_code == 409
    assert answer.json()["detail"] == "There is no image to judge: the job is queued."


def test_many_are_judged_at_once_and_each_says_what_became_of_it(client, send, worker, judge):
    batch = send(client, "sku,prompt\nA,a red mug\nB,a blue mug\nC,a jug\nD,a pot\n")
    a, b, c, d = client.get(batch["links"]["items"]).json()["items"]
    for job in (a, b, c):
        worker.make(job["id"])
    judge(b["id"], "rejected")
    judge(c["id"], "approved")
    stranger = str(uuid4())
    named = [{"id": one} for one in (a["id"], b["id"], c["id"], d["id"], stranger)]
    path = f"/v1/batches/{batch['id']}/approvals"
    answer = client.post(path, json={"state": "approved", "jobs": named}).json()
    assert (answer["changed"], answer["unchanged"]) == (1, 1)
    assert [one["id"] for one in answer["conflicts"]] == [b["id"]]
    assert answer["conflicts"][0]["approval"]["state"] == "rejected"
    assert (answer["without_image"], answer["missing"]) == ([d["id"]], [stranger])
    shown = client.get(f"/v1/batches/{batch['id']}").json()["approvals"]
    assert shown == {"pending": 0, "approved": 2, "rejected": 1}


def test_what_waits_is_approved_unless_somebody_should_look(client, send, worker, database, judge):
    batch = send(client, "sku,prompt\nA,a mug\nB,a jug\nC,a pot\nD,a cup\n")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    images = [worker.make(job["id"]) for job in jobs]
    with database.session() as session:
        for image, needs_review in ((images[0], True), (images[1], False)):
            row = session.get_one(Image, image.id)
            said = {"source": "kept", "notes": [], "reasons": ["holes"] * needs_review}
            row.quality = {"needs_review": needs_review, **said}
    judge(jobs[3]["id"], "rejected")
    items = batch["links"]["items"]
    counted = {
        query: [one["sku"] for one in _skus(client, f"{items}?{query}")]
        for query in ("flagged=true", "flagged=false", "approval=pending", "approval=rejected")
    }
    assert counted == {
        "flagged=true": ["A"],
        "flagged=false": ["B", "C", "D"],
        "approval=pending": ["A", "B", "C"],
        "approval=rejected": ["D"],
    }
    path = f"/v1/batches/{batch['id']}/approvals"
    waiting = {"state": "approved", "waiting": {"flagged": False}}
    assert client.post(path, json=waiting).json()["changed"] == 2
    states = [one["approval"]["state"] for one in client.get(items).json()["items"]]
    assert states == ["pending", "approved", "approved", "rejected"]


def _skus(client, path: str) -> list[dict]:
    """Read a list in pages of one."""
    found, cursor = [], ""
    while cursor is not None:
        page = client.get(f"{path}&limit=1{cursor}").json()
        found += page["items"]
        cursor = f"&cursor={page['next']}" if page["next"] else None
    return found


@pytest.mark.parametrize("body", [{}, {"jobs": [{"id": str(uuid4())}], "waiting": {}}])
def test_a_bulk_judgement_names_its_images_in_one_way(client, gated, body):
    path = f"/v1/batches/{gated()['batch_id']}/approvals"
    answer = client.post(path, json={"state": "approved", **body})
    assert answer.status_code == 422
    assert "name `jobs`, or `waiting`" in answer.json()["detail"]


def test_what_was_said_of_an_image_that_s3_lost_is_taken_back(client, database, gated, judge):
    job = gated()
    judge(job["id"], "approved")
    with database.session() as session:
        retention.lose(session, session.get_one(Job, job["id"]).image_id)
    shown = client.get(f"/v1/jobs/{job['id']}").json()
    assert (shown["state"], shown["approval"]["state"]) == ("failed", "pending")
    (newest, _) = client.get(f"/v1/jobs/{job['id']}/judgements").json()["items"]
    assert (newest["by"], newest["before"], newest["after"]) == ("packshot", "approved", "pending")


def test_results_say_what_was_said(client, gated, judge):
    job = gated()
    judge(job["id"], "rejected", reason="=cut()")
    batch = f"/v1/batches/{job['batch_id']}"
    results = client.get(f"{batch}/results.csv").text
    header, line, _ = results.split("\r\n")
    said = dict(zip(header.split(","), line.split(","), strict=True))
    assert (said["approval"], said["judgement"]) == ("rejected", "'=cut()")
    assert said["judged_by"].startswith("psk_")
    entry = json.loads(client.get(f"{batch}/manifest.jsonl").text)
    assert entry["approval"]["reason"] == "=cut()"
    assert entry["require_approval"] is True


def test_listeners_are_told_of_judgements(client, database, gated, judge):
    with database.session() as session:
        endpoints.create(session, "shop", url="https://shop.example/hook")
    job = gated()
    judge(job["id"], "approved")
    judge(job["id"], "rejected", 1)
    judge(job["id"], "pending", 2)
    with database.session() as session:
        told = session.exec(select(WebhookEvent).order_by(WebhookEvent.sequence)).all()
    images = [(one.type, one.data["approval"]) for one in told if one.type.startswith("image.")]
    assert images == [
        ("image.completed", "pending"),
        ("image.approved", "approved"),
        ("image.rejected", "rejected"),
    ]
