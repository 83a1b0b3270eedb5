"""A client that another project's generator makes of our description drives a whole batch."""

import csv
import importlib
import io
import json
import subprocess
import sys
import zipfile
from uuid import UUID

import pytest

from tests.integration.api.conftest import PIXELS

BYTES = [
    *("image/png", "image/jpeg", "image/webp", "image/avif", "image/gif", "image/tiff"),
    *("image/bmp", "application/zip", "application/x-ndjson"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
]
"""What the generator must be told to be bytes: it knows no other type of files by itself."""


@pytest.fixture
def generated(client, tmp_path, monkeypatch):
    """The package that the generator makes of what the server serves."""
    (tmp_path / "openapi.json").write_bytes(client.get("/openapi.json").content)
    overrides = dict.fromkeys(BYTES, "application/octet-stream")
    config = {"content_type_overrides": overrides, "post_hooks": []}
    (tmp_path / "config.json").write_text(json.dumps(config))
    made = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none",
         "--path", "openapi.json", "--config", "config.json", "--output-path", "shop_client",
         "--fail-on-warning"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("shop_client")
    for name in [one for one in sys.modules if one.partition(".")[0] == "shop_client"]:
        del sys.modules[name]


def operation(tag: str, name: str):
    return importlib.import_module(f"shop_client.api.{tag}.{name}")


def test_a_generated_client_drives_a_batch_to_its_files(client, generated, worker):
    models = importlib.import_module("shop_client.models")
    types = importlib.import_module("shop_client.types")
    token = client.headers["Authorization"].removeprefix("Bearer ")
    with generated.AuthenticatedClient(base_url=str(client.base_url), token=token) as shop:
        drive(shop, models, types, worker)


def drive_jobs(shop, models, job, worker):
    """List jobs, ask for several at once, wait for one, and erase it."""
    listed = operation("jobs", "list_jobs").sync(client=shop, sku="MUG", state=job.state)
    assert listed.items == []
    listed = operation("jobs", "list_jobs").sync(client=shop, sku="MUG")
    assert [one.id for one in listed.items] == [job.id]
    bulk = models.BulkJobRequest(
        requests=[
            models.KeyedJobRequest(prompt="a red mug", idempotency_key="red"),
            models.KeyedJobRequest(prompt="a blue mug", idempotency_key="blue"),
        ]
    )
    made = operation("jobs", "submit_jobs").sync(client=shop, body=bulk)
    assert [one.is_repeated for one in made.jobs] == [False, False]
    first = made.jobs[0].job
    worker.make(str(first.id))
    assert operation("jobs", "get_job").sync(first.id, client=shop, wait=30).state == "succeeded"
    erased = operation("jobs", "delete_image").sync(first.id, client=shop)
    assert (erased.images, erased.jobs) == (1, 0)
    erased = operation("jobs", "delete_job").sync(first.id, client=shop)
    assert (erased.jobs, erased.is_complete) == (1, True)


def drive(shop, models, types, worker):
    post = operation("batches", "submit_batch")

    sheet = io.BytesIO(b"sku,prompt,seed\nMUG,a red mug,9007199254740993\n")
    form = models.SubmitBatchFilesBatchFields(
        file=types.File(payload=sheet, file_name="mugs.csv", mime_type="text/csv"), steps=4
    )
    batch = post.sync(client=shop, body=form, idempotency_key="mugs-1")
    assert isinstance(batch, models.BatchView)
    assert (batch.total, batch.name) == (1, "mugs.csv")
    again = post.sync(client=shop, body=form, idempotency_key="mugs-1")
    assert again == batch

    items = operation("batches", "list_batch_items")
    (job,) = items.sync(batch.id, client=shop).items
    assert (job.state, job.seed_text, job.steps) == ("queued", "9007199254740993", 4)
    worker.make(str(job.id))

    image = operation("jobs", "get_image")
    assert image.sync(job.id, client=shop).payload.read() == PIXELS
    assert image.sync(job.id, client=shop, range_="bytes=0-3").payload.read() == PIXELS[:4]
    archive = operation("batches", "get_batch_images")
    with zipfile.ZipFile(archive.sync(batch.id, client=shop).payload) as images:
        assert [images.read(name) for name in images.namelist()] == [PIXELS]
    manifest = operation("batches", "get_batch_manifest")
    (line,) = manifest.sync(batch.id, client=shop).payload.read().splitlines()
    assert json.loads(line)["sku"] == "MUG"
    results = operation("batches", "get_batch_results")
    (row,) = csv.DictReader(io.StringIO(results.sync(batch.id, client=shop)))
    assert (row["status"], row["seed"]) == ("succeeded", "9007199254740993")

    drive_jobs(shop, models, job, worker)
    missing = operation("batches", "get_batch").sync(UUID(int=1), client=shop)
    assert isinstance(missing, models.Problem)
    assert (missing.status, missing.code) == (404, "not_found")
    body = models.SubmitBatchJsonBatchRequest(rows=[], steps=0)
    refused = post.sync(client=shop, body=body)
    assert (refused.status, refused.code) == (422, "invalid_sheet")
