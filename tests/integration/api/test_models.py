"""Two models in one deployment: named by requests, rows and recipes, listed, replaced."""

import csv
import io
import json

import pytest

from core.lifecycle import serving
from tests.integration.api.conftest import describe_bundle


@pytest.fixture
def settings(settings, bundle, tmp_path):
    describe_bundle(tmp_path / "studio", revision="2")
    change_sizes(tmp_path / "studio")
    models = {"default": bundle, "studio": tmp_path / "studio"}
    return settings.model_copy(update={"models": models})


def change_sizes(folder):
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["sizes"] |= {"min": 256, "max": 512}
    manifest["defaults"] |= {"width": 256, "height": 256}
    file.write_text(json.dumps(manifest))


SHEET = "sku,prompt,model\nA,a red mug,studio\nB,a red mug,\nC,a blue mug,default\n"


def test_each_row_is_made_by_its_model_and_says_so(client, send, worker, shop):
    batch = send(client, SHEET)
    assert {(one["name"], one["revision"], one["images"]) for one in batch["models"]} == {
        ("default", "1" * 64, 2),
        ("studio", "2" * 64, 1),
    }
    jobs = client.get(batch["links"]["items"]).json()["items"]
    assert [(job["model"], job["revision"][0], job["width"]) for job in jobs] == [
        ("studio", "2", 256),
        ("default", "1", 64),
        ("default", "1", 64),
    ]
    rows = [shop.generation_of(job["id"]) for job in jobs]
    assert [shop.generation(row).bundle_revision[0] for row in rows] == ["2", "1", "1"]
    worker.make(jobs[0]["id"])
    results = list(csv.reader(io.StringIO(client.get(batch["links"]["results"]).text)))
    made_by = results[0].index("revision") - 1
    assert results[0][made_by : made_by + 3] == ["model", "revision", "ai_use"]
    assert [line[made_by] for line in results[1:]] == ["studio", "default", "default"]
    assert results[1][made_by + 1 : made_by + 3] == ["2" * 64, "generated"]
    manifest = client.get(batch["links"]["manifest"]).text.splitlines()
    assert [json.loads(line)["model"] for line in manifest] == ["studio", "default", "default"]

    again = send(client, SHEET)
    jobs = client.get(again["links"]["items"]).json()["items"]
    assert [job["cache"] for job in jobs] == ["exact", "coalesced", "coalesced"]
    assert (jobs[0]["model"], jobs[0]["revision"]) == ("studio", "2" * 64)


def test_a_single_request_names_its_model(client):
    for given, name, width in (({}, "default", 64), ({"model": " Studio"}, "studio", 256)):
        answer = client.post("/v1/jobs", json={"prompt": "a mug", **given})
        assert answer.status_code == 202, answer.text
        job = answer.json()
        assert (job["model"], job["width"]) == (name, width)
    answer = client.post("/v1/jobs", json={"prompt": "a mug", "model": "studio", "width": 64})
    assert answer.status_code == 422
    assert "cannot be made by the model 'studio': it makes 256 to 512" in answer.json()["detail"]


def test_row_before_request_before_recipe_before_default(client, send):
    recipe = {"name": "look", "fields": {"model": "studio", "steps": 7}}
    assert client.post("/v1/recipes", json=recipe).status_code == 201
    batch = send(client, SHEET, recipe="look")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    assert [job["model"] for job in jobs] == ["studio", "studio", "default"]
    batch = send(client, SHEET, recipe="look", model="default")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    assert [(job["model"], job["steps"]) for job in jobs] == [
        ("studio", 7),
        ("default", 7),
        ("default", 7),
    ]
    job = client.post("/v1/jobs", json={"prompt": "a mug", "recipe": "look"}).json()
    assert job["model"] == "studio"
    lifted = {"prompt": "a mug", "recipe": "look", "model": None}
    assert client.post("/v1/jobs", json=lifted).json()["model"] == "default"


def test_a_name_that_is_none_is_refused_everywhere_with_those_that_are(client):
    says = "There is no model 'nobody' here; there are default, studio."
    recipe = {"name": "look", "fields": {"model": "nobody"}}
    for path, body in (
        ("/v1/jobs", {"prompt": "a mug", "model": "nobody"}),
        ("/v1/recipes", recipe),
        ("/v1/batches", {"rows": [{"sku": "A", "prompt": "a"}], "model": "nobody"}),
        ("/v1/batches", {"rows": [{"sku": "A", "prompt": "a", "model": "nobody"}]}),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == 422, (path, answer.text)
        (error,) = answer.json()["errors"]
        assert error["column"] == "model"
        assert says in error["message"]
    assert client.get("/v1/batches").json()["items"] == []


def test_a_recipe_without_a_model_is_refused_only_where_no_model_takes_it(client):
    def post(**fields):
        return client.post("/v1/recipes", json={"name": "look", "fields": fields})

    assert post(width=512).status_code == 201
    assert post(width=512, model="default").status_code == 422
    assert "cannot be made by the model 'default'" in post(width=1024).json()["detail"]


def test_a_dry_run_shows_each_rows_model_and_counts_nothing_twice(client):
    fields = {"dry_run": "true"}
    files = {"file": ("a.csv", SHEET + "D,a red mug,default\n")}
    report = client.post("/v1/batches", files=files, data=fields).json()
    assert [one["model"] for one in report["preview"]] == [
        "studio", "default", "default", "default",
    ]  # fmt: skip
    assert report["preview"][0]["revision"] == "2" * 64
    assert report["detected"]["columns"]["model"] == "model"
    assert (report["equal_images"], report["forecast"]["computed"]) == (1, 3)
    assert report["estimate"]["seconds"] is None
    assert "studio: This machine's speed" in report["estimate"]["basis"]


def test_the_models_are_listed_with_what_they_can_and_what_waits(
    client, stranger, send, database, settings
):
    send(client, SHEET)
    with database.session() as session:
        serving.announce(session, "w", {"1" * 64})
    first, second = client.get("/v1/models").json()["items"]
    assert (first["name"], first["default"], second["name"], second["default"]) == (
        "default", True, "studio", False,
    )  # fmt: skip
    assert second["sizes"] == {"min": 256, "max": 512, "multiple_of": 32}
    assert second["defaults"]["width"] == 256
    assert {"name": "ddim", "least_steps": 1, "most_steps": 999} in second["schedulers"]
    assert [(one["workers"], one["waiting_images"]) for one in (first, second)] == [(1, 2), (0, 1)]
    assert [one["waiting_images"] for one in stranger.get("/v1/models").json()["items"]] == [0, 0]

    describe_bundle(settings.models["studio"], revision="3")
    listed = client.get("/v1/models").json()
    assert [one["revision"][0] for one in listed["items"]] == ["1", "3"]
    assert listed["others"] == [{"revision": "2" * 64, "workers": 0, "waiting_images": 1}]

    (settings.models["studio"] / "manifest.json").unlink()
    broken = client.get("/v1/models").json()["items"][1]
    assert broken["revision"] is None
    assert "packshot model list" in broken["problem"]
    assert str(settings.models["studio"]) not in str(broken)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert client.post("/v1/jobs", json={"prompt": "a mug"}).status_code == 202
    assert client.post("/v1/jobs", json={"prompt": "a", "model": "studio"}).status_code == 503


def test_of_a_sheet_with_two_models_those_wait_visibly_whose_model_nobody_serves(
    client, send, database
):
    with database.session() as session:
        serving.announce(session, "w", {"1" * 64})
    batch = send(client, SHEET)
    assert (batch["waiting_for_model"], batch["counts"]["queued"]) == (1, 3)
    with database.session() as session:
        serving.announce(session, "w", {"1" * 64, "2" * 64})
    assert client.get(batch["links"]["self"]).json()["waiting_for_model"] == 0
