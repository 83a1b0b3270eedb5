"""Two models in one deployment: one worker makes both from one sheet, and one is replaced."""

import io
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np
import pytest
from PIL import Image

from bundles.manifest import Sizes
from bundles.manifest_file import load_manifest, save_manifest
from bundles.plan import Plan
from core.domain.image_spec import ImageSpec
from core.domain.lanes import Lane
from core.settings import Settings
from tests.integration.api.conftest import connect, serving
from tests.integration.model.conftest import SAME_IN_COMPANY_DB, psnr
from tests.integration.shop import poll
from worker.engine import Engine
from worker.pipeline import Pipeline
from worker.rows import RowRequest

pytestmark = pytest.mark.own_database

SECONDS = 300
"""Until a test gives up: machines that run tests are slow at times."""
PACE = {
    "PACKSHOT_HEARTBEAT_SECONDS": "0.2",
    "PACKSHOT_SWEEP_SECONDS": "0.5",
    "PACKSHOT_FEED_SECONDS": "0.2",
    "PACKSHOT_INFERENCE_THREADS": "1",
    "PACKSHOT_INFERENCE_PRECISION": "f32",
}
SHEET = "sku,prompt,model,seed\n" + "".join(
    f"S{number},mug {number // 2},{('small', 'large', '')[number % 3]},{number}\n"
    for number in range(9)
)
WIDTHS = {"small": 32, "large": 48}


@pytest.fixture
def folders(made_once, tmp_path) -> dict[str, Path]:
    """Two bundles with other weights and other sizes; the first is the default."""
    folders = {name: tmp_path / "models" / name for name in WIDTHS}
    shutil.copytree(made_once.bundle(), folders["small"])
    put(made_once.bundle(made_once.source(seed=1)), folders["large"])
    return folders


def put(bundle: Path, folder: Path) -> None:
    """Put a bundle that makes images from 48 pixels on in the place of another."""
    copy = folder.with_name(f"{folder.name}-{uuid4().hex}")
    shutil.copytree(bundle, copy)
    manifest = load_manifest(copy)
    defaults = manifest.defaults.model_copy(update={"width": 48, "height": 48})
    sizes = Sizes(min=48, max=128, multiple_of=16, tested=((48, 48),))
    save_manifest(manifest.model_copy(update={"defaults": defaults, "sizes": sizes}), copy)
    if folder.exists():
        folder.rename(copy.with_name(f"{copy.name}-before"))
    copy.rename(folder)


@pytest.fixture
def environment(environment, folders, tmp_path):
    models = ",".join(f"{name}={folder}" for name, folder in folders.items())
    home = {"PACKSHOT_HOME": str(tmp_path / "home"), "PACKSHOT_MODELS": models}
    return environment | PACE | home


@pytest.fixture
def client(settings: Settings, database) -> Iterator[httpx.Client]:
    with serving(settings) as url, connect(database, url, "shop") as client:
        yield client


@pytest.fixture
def hire(launch, environment):
    """Start the housekeeping and a worker, which end with the test."""
    with ExitStack() as stack:

        def hire():
            for module in ("ops.housekeeping", "worker"):
                process = launch(module, environment)
                stack.callback(process.kill)
            process.wait_until_said("ready.")

        yield hire


def send(client, sheet: str = SHEET) -> dict:
    answer = client.post("/v1/batches", files={"file": ("sheet.csv", sheet, "text/csv")})
    assert answer.status_code == 202, answer.text
    return answer.json()


def looked_at(client, batch: dict) -> dict:
    return client.get(batch["links"]["self"]).json()


def wait_for(client, batch: dict) -> list[dict]:
    """Wait for all of a batch's images; give its jobs."""
    poll(lambda: looked_at(client, batch)["state"] == "completed", seconds=SECONDS)
    jobs = client.get(batch["links"]["items"]).json()["items"]
    assert {job["state"] for job in jobs} == {"succeeded"}
    return jobs


def alone(bundle: Path, jobs: list[dict]) -> list[np.ndarray]:
    """Draw the images of jobs one after the other, with nothing but their bundle."""
    engine = Engine.of_one(Pipeline(bundle, precision="f32", plan=Plan(threads=1)), row_limit=1)
    engine.start()
    try:
        return [
            engine.submit(
                RowRequest(identity=uuid4(), lane=Lane.BULK, spec=ImageSpec.of(as_spec(job)))
            )
            .result(SECONDS)
            .image
            for job in jobs
        ]
    finally:
        engine.close()


def as_spec(job: dict) -> dict:
    return job | {"seed": int(job["seed"])}


def test_one_worker_makes_the_images_of_a_sheet_as_each_model_makes_them_alone(
    client, hire, folders
):
    hire()
    batch = send(client)
    jobs = wait_for(client, batch)
    assert [job["model"] for job in jobs] == ["small", "large", "small"] * 3
    assert {(job["model"], job["revision"]) for job in jobs} == {
        (name, load_manifest(folder).revision) for name, folder in folders.items()
    }
    drawn = {}
    for name, folder in folders.items():
        mine = [job for job in jobs if job["model"] == name]
        assert {(job["width"], job["image"]["width"]) for job in mine} == {(WIDTHS[name],) * 2}
        for job, expected in zip(mine, alone(folder, mine), strict=True):
            body = client.get(job["image"]["url"]).content
            drawn[job["id"]] = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))
            assert psnr(drawn[job["id"]], expected) >= SAME_IN_COMPANY_DB
    # Otherwise nothing was compared.
    assert len({image.tobytes() for image in drawn.values()}) == len(jobs)
    listed = client.get("/v1/models").json()
    assert [(one["workers"], one["waiting_images"]) for one in listed["items"]] == [(1, 0)] * 2
    poll(lambda: all(one["images_per_call"] for one in client.get("/v1/models").json()["items"]))


def test_rows_of_a_replaced_bundle_wait_visibly_until_it_is_back(client, hire, folders, made_once):
    queued = send(client)
    old = load_manifest(folders["large"]).revision
    put(made_once.bundle(made_once.source(seed=2)), folders["large"])
    new = load_manifest(folders["large"]).revision
    assert new != old
    fresh = send(client, "sku,prompt,model\nA,a mug,large\nB,a cup,small\n")

    hire()
    assert {job["revision"] for job in wait_for(client, fresh)} >= {new}
    poll(lambda: looked_at(client, queued)["counts"]["succeeded"] == 6, seconds=SECONDS)
    poll(lambda: looked_at(client, queued)["waiting_for_model"] == 3, seconds=SECONDS)
    assert looked_at(client, queued)["counts"]["queued"] == 3
    assert client.get("/v1/models").json()["others"] == [
        {"revision": old, "workers": 0, "waiting_images": 3}
    ]

    put(made_once.bundle(made_once.source(seed=1)), folders["large"])
    jobs = wait_for(client, queued)
    assert {job["revision"] for job in jobs if job["model"] == "large"} == {old}
