"""Images made again, in the place of those that nobody wanted."""

import csv
import io
import json
from uuid import uuid4
from zipfile import ZipFile

import pytest

from core.db.models import Batch, Generation, Job
from core.domain.scopes import Scope
from core.errors import GenerationFailedError
from core.keys import create_key, list_keys

SHEET = "sku,prompt,title\nA,a red mug,Mug\nB,a blue jug,Jug\n"


@pytest.fixture
def batch(client, send, worker) -> dict:
    """A batch of two images under the gate, of which the first is rejected."""
    batch = send(client, SHEET, require_approval="true", channels="web", variants="1")
    batch["jobs"] = [one["id"] for one in items(client, batch)]
    for one in batch["jobs"]:
        worker.make(one)
    judge(client, batch["jobs"][0], "rejected")
    return batch


def items(client, batch) -> list[dict]:
    return client.get(f"/v1/batches/{batch['id']}/items").json()["items"]


def judge(client, job: str, state: str, version: int = 0) -> dict:
    body = {"state": state, "version": version}
    answer = client.put(f"/v1/jobs/{job}/approval", json=body)
    assert answer.is_success, answer.text
    return answer.json()


def redo(client, job: str, **said) -> dict:
    answer = client.post(f"/v1/jobs/{job}/redo", json=said or None)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_another_image_is_made_in_the_same_place(client, batch, worker):
    first = client.get(f"/v1/jobs/{batch['jobs'][0]}").json()
    made = redo(client, first["id"])
    assert made["replaces"] == first["id"]
    assert made["seed"] != first["seed"]
    same = ("batch_id", "sku", "line", "variant", "prompt", "steps", "scheduler", "width", "lane")
    for name in (*same, "alt_text", "file_name", "require_approval", "model", "revision"):
        assert made[name] == first[name], name
    assert (made["state"], made["approval"]["state"]) == ("queued", "pending")
    # It stands beside what it replaces, before the next row.
    assert [one["id"] for one in items(client, batch)] == [
        *(first["id"], made["id"], batch["jobs"][1])
    ]
    running = client.get(f"/v1/batches/{batch['id']}").json()
    assert (running["state"], running["total"], running["finished_at"]) == ("running", 3, None)
    worker.make(made["id"])
    done = client.get(f"/v1/batches/{batch['id']}").json()
    assert (done["state"], done["counts"]["succeeded"]) == ("completed", 3)
    assert done["approvals"] == {"pending": 2, "approved": 0, "rejected": 1}


def test_what_is_picked_leaves_and_the_others_do_not(client, batch, worker):
    jobs = [batch["jobs"][0]]
    for _ in range(2):
        jobs.append(redo(client, jobs[-1])["id"])
        worker.make(jobs[-1])
    assert shown_in_results(client, batch) == [jobs[2], batch["jobs"][1]]
    judge(client, jobs[1], "approved")
    states = [client.get(f"/v1/jobs/{one}").json()["approval"]["state"] for one in jobs]
    assert states == ["rejected", "approved", "rejected"]
    assert shown_in_results(client, batch) == [jobs[1], batch["jobs"][1]]
    with ZipFile(io.BytesIO(client.get(batch["links"]["images"]).content)) as archive:
        assert len([one for one in archive.namelist() if one.endswith(".png")]) == 1
    judge(client, jobs[2], "approved", version=1)
    assert shown_in_results(client, batch)[0] == jobs[2]


def shown_in_results(client, batch) -> list[str]:
    path = f"/v1/batches/{batch['id']}"
    lines = client.get(f"{path}/manifest.jsonl").text.splitlines()
    rows = list(csv.DictReader(io.StringIO(client.get(f"{path}/results.csv").text)))
    assert len(rows) == len(lines)
    assert all(json.loads(one)["row"] for one in lines)
    return [json.loads(one)["id"] for one in lines]


def test_what_is_said_is_different_and_all_else_is_not(client, batch):
    first = client.get(f"/v1/jobs/{batch['jobs'][0]}").json()
    said = {"prompt": "a green mug", "negative_prompt": "people", "steps": 3, "seed": 7}
    made = redo(client, first["id"], **said, guidance_scale=2.5)
    assert {name: made[name] for name in said} == said
    assert made["guidance_scale"] == 2.5
    assert (made["width"], made["height"]) == (first["width"], first["height"])


def test_seeds_differ_from_all_that_the_row_had(client, batch, worker):
    seeds = [client.get(f"/v1/jobs/{batch['jobs'][0]}").json()["seed"]]
    for _ in range(4):
        # Always of the first one, which all of them replace.
        made = redo(client, batch["jobs"][0])
        seeds.append(made["seed"])
    assert len(set(seeds)) == 5


def test_whoever_wants_the_same_again_shares_it(client, send, worker, shop):
    made = []
    for _ in range(2):
        prompt = "a mug that two shops sell"
        batch = send(client, f"sku,prompt\nA,{prompt}\nB,{prompt}\n")
        jobs = [one["id"] for one in items(client, batch)]
        if not made:
            worker.make(jobs[0])
        for one in jobs:
            judge(client, one, "rejected")
        answer = client.post(f"/v1/batches/{batch['id']}/redo")
        assert answer.status_code == 202, answer.text
        made.append([one for one in items(client, batch) if one["replaces"]])
        if len(made) == 1:
            assert [one["cache"] for one in made[0]] == ["miss", "coalesced"]
            worker.make(made[0][0]["id"])
    assert [one["cache"] for one in made[1]] == ["exact", "exact"]
    assert {one["seed"] for one in made[0]} == {one["seed"] for one in made[1]}
    assert len(shop.all(Generation)) == 2
    # What store answers is finished at once, and so is its batch.
    assert client.get(f"/v1/batches/{batch['id']}").json()["state"] == "completed"
    assert [(one.total_jobs, one.open_jobs) for one in shop.all(Batch)] == [(4, 0), (4, 0)]


def test_rejected_images_of_a_batch_are_made_again_once(client, batch, worker):
    path = f"/v1/batches/{batch['id']}/redo"
    assert client.post(path).json()["total"] == 3
    assert client.post(path).json()["total"] == 3, "there is another one already"
    (made,) = [one for one in items(client, batch) if one["replaces"]]
    assert made["replaces"] == batch["jobs"][0]
    worker.make(made["id"])
    judge(client, made["id"], "rejected")
    assert client.post(path).json()["total"] == 4


def test_what_is_not_finished_or_approved_stays(client, batch, worker, send):
    waiting = items(client, send(client, f"sku,prompt\nA,a pot {uuid4()}\n"))[0]["id"]
    refused = client.post(f"/v1/jobs/{waiting}/redo")
    assert (refused.status_code, refused.json()["state"]) == (409, "queued")
    assert "wait for its image" in refused.json()["detail"]
    worker.fail(waiting, GenerationFailedError("bad latents"))
    assert redo(client, waiting)["replaces"] == waiting

    made = redo(client, batch["jobs"][0])
    worker.make(made["id"])
    judge(client, made["id"], "approved")
    for job in (batch["jobs"][0], made["id"]):
        refused = client.post(f"/v1/jobs/{job}/redo")
        assert refused.status_code == 409
        assert f"has approved the image of job {made['id']}" in refused.json()["detail"]
    assert len(items(client, batch)) == 3


def test_what_cannot_be_made_is_refused_whole(client, batch, shop):
    job = client.get(f"/v1/jobs/{batch['jobs'][0]}").json()
    for said, word in (
        ({"steps": 100_000}, "steps"),
        ({"preset": "nonesuch"}, "preset"),
        ({"prompt": "mug " * 5000}, "prompt"),
        ({"sede": 1}, "seed"),
        ({"width": 64}, "no such field"),
    ):
        answer = client.post(f"/v1/jobs/{job['id']}/redo", json=said)
        assert answer.status_code == 422, said
        assert word in json.dumps(answer.json()), said
    same = client.post(f"/v1/jobs/{job['id']}/redo", json={"seed": job["seed_text"]})
    assert same.status_code == 409
    assert "is that image already" in same.json()["detail"]
    assert len(shop.all(Job)) == 2
    assert client.get(f"/v1/batches/{batch['id']}").json()["state"] == "completed"


def test_nothing_is_made_again_of_a_cancelled_batch(client, send, worker):
    batch = send(client, f"sku,prompt\nA,a mug {uuid4()}\nB,a jug {uuid4()}\n")
    first, _ = (one["id"] for one in items(client, batch))
    worker.make(first)
    client.post(f"/v1/batches/{batch['id']}/cancel")
    refused = client.post(f"/v1/jobs/{first}/redo")
    assert refused.status_code == 409
    assert "was cancelled" in refused.json()["detail"]
    assert len(items(client, batch)) == 2


def test_an_image_without_a_sheet_is_made_again(client, worker, shop):
    job = client.post("/v1/jobs", json={"prompt": f"a mug {uuid4()}", "sku": "A"}).json()
    worker.make(job["id"])
    made = redo(client, job["id"])
    assert (made["replaces"], made["batch_id"], made["sku"]) == (job["id"], None, "A")
    assert {shop.job(one["id"]).slot for one in (job, made)} == {shop.job(job["id"]).id}


def test_it_counts_for_the_key_that_sent_the_batch(client, database, batch):
    with database.session() as session:
        (sender,) = list_keys(session, "shop")
        sender.queued_images = 1
        session.add(sender)
        _, other = create_key(session, "shop", "other")
    headers = {"Authorization": f"Bearer {other}"}
    for expected in (202, 429):
        answer = client.post(f"/v1/jobs/{batch['jobs'][0]}/redo", headers=headers)
        assert answer.status_code == expected, answer.text
    assert "may have 1 images" in answer.json()["detail"]


def test_who_may_only_judge_makes_nothing(client, database, batch):
    with database.session() as session:
        _, judge_only = create_key(session, "shop", scopes=(Scope.READ, Scope.REVIEW))
    headers = {"Authorization": f"Bearer {judge_only}"}
    assert client.post(f"/v1/jobs/{batch['jobs'][0]}/redo", headers=headers).status_code == 403


def test_a_request_that_comes_twice_makes_one_image(client, batch):
    headers = {"Idempotency-Key": str(uuid4())}
    path = f"/v1/jobs/{batch['jobs'][0]}/redo"
    first, second = (client.post(path, headers=headers) for _ in range(2))
    assert first.content == second.content
    assert first.headers["location"] == f"/v1/jobs/{first.json()['id']}"
    assert len(items(client, batch)) == 3
