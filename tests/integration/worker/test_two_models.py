"""Two real bundles of different latents in one worker's engine, from the queue to S3."""

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import Image as Picture
from prometheus_client import REGISTRY

from benchmarks.layouts import LAYOUTS, save_layout
from bundles.manifest import Manifest
from bundles.manifest_file import load_manifest
from bundles.plan import Plan
from bundles.row_memory import weights_bytes
from core.db.engine import Database
from core.domain.states import GenerationState, JobState
from core.lifecycle import serving
from core.settings import Settings
from core.storage import Storage
from modelkit.evaluation.similarity import psnr
from tests.integration.shop import Shop, poll, wanted
from tests.specs import row_request
from tests.support.made_once import MadeOnce
from worker.endings import Delivery
from worker.engine import Engine
from worker.leases import Leases
from worker.loaded import LoadedModel
from worker.pipeline import load_pipeline
from worker.registry import Registry
from worker.runner import Runner
from worker.turns import CallLimits

TOLERANCE_DB = 50.0
"""Between a row alone and in company: docs/decisions/0004."""

PLAN = Plan(rows=4, streams=1, threads=1)
SIDE = 32
STEPS = (2, 3, 4)


@pytest.fixture(scope="module")
def folders(made_once: MadeOnce) -> Mapping[str, Path]:
    """Bundles whose latents are an eighth and a quarter of the pixels wide."""
    return {
        "eighth": made_once.bundle(),
        "quarter": made_once.bundle(made_once.source(seed=1, levels=3)),
    }


class Worker:
    """What `worker.main` wires, without Celery."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        database: Database,
        storage: Storage,
        home: Path,
        *,
        budget_bytes: int = 2**40,
    ) -> None:
        self.home = home
        self.models = Registry(
            folders, self._load, budget_bytes=budget_bytes, idle_seconds=900.0, stay_seconds=0.0
        )
        self.models.load_default()
        self.engine = Engine(self.models, row_limit=PLAN.rows, streams=PLAN.streams)
        self.leases = Leases(
            database=database,
            engine=self.engine,
            owner="worker",
            lease_seconds=60,
            heartbeat_seconds=0.2,
        )
        self.runner = Runner(
            database=database,
            storage=storage,
            engine=self.engine,
            models=self.models,
            leases=self.leases,
            max_attempts=3,
            pause_seconds=0.0,
        )
        self.engine.start()
        self.leases.start()
        self.models.start()

    def _load(self, folder: Path, manifest: Manifest) -> LoadedModel:
        return LoadedModel(
            load_pipeline(folder, Settings(home=self.home, inference_precision="f32"), PLAN),
            revision=manifest.revision,
            limits=CallLimits(PLAN.rows, PLAN.streams),
        )

    def close(self) -> None:
        self.models.stop()
        self.leases.stop()
        self.engine.close()

    def run(self, generation_ids: Sequence[UUID]) -> None:
        """Get the messages of all at the same time, again and again, until they are done."""

        def until_done(generation_id: UUID) -> None:
            poll(lambda: self.runner.run(generation_id) is Delivery.DONE, seconds=300)

        with ThreadPoolExecutor(len(generation_ids)) as pool:
            list(pool.map(until_done, generation_ids))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def make_worker(database: Database, storage: Storage, home: Path) -> Iterator[type[Worker]]:
    made: list[Worker] = []

    def make(folders: Mapping[str, Path], **options: int) -> Worker:
        made.append(Worker(folders, database, storage, home, **options))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


def want(
    database: Database, folder: Path, *steps: int, side: int = SIDE
) -> tuple[Shop, Sequence[UUID]]:
    """Want an image of each number of steps from a bundle."""
    shop = Shop(database, bundle_revision=load_manifest(folder).revision)
    images = [
        wanted("red mug", width=side, height=side, steps=count, guidance_scale=2.0)
        for count in steps
    ]
    return shop, [shop.generation_of(job) for job in shop.want(*images, batch=True).job_ids]


def draw_alone(folder: Path, home: Path, rows: Sequence[object]) -> list[np.ndarray]:
    """Draw what these generations ask for with one bundle alone, one after another."""
    settings = Settings(home=home, inference_precision="f32")
    engine = Engine.of_one(load_pipeline(folder, settings, PLAN), row_limit=PLAN.rows)
    engine.start()
    try:
        return [
            engine.submit(
                row_request(
                    prompt=row.prompt,
                    width=row.width,
                    height=row.height,
                    steps=row.steps,
                    guidance_scale=row.guidance_scale,
                    seed=row.seed,
                )
            )
            .result(300)
            .image
            for row in rows
        ]
    finally:
        engine.close()


def test_rows_of_two_bundles_in_one_worker_are_what_each_bundle_draws_alone(
    folders, make_worker, database, storage, home
):
    asked = {name: want(database, folder, *STEPS) for name, folder in folders.items()}
    worker = make_worker(folders)
    assert worker.models.claimable() == {load_manifest(folders["eighth"]).revision}
    worker.run([one for _, ids in asked.values() for one in ids])
    assert worker.models.claimable() == worker.models.served()

    for name, (shop, ids) in asked.items():
        check_drawn(
            shop, ids, storage, lambda rows, name=name: draw_alone(folders[name], home, rows)
        )


@pytest.mark.slow
def test_two_families_take_turns_in_memory_that_has_room_for_one(
    made_once, make_worker, database, storage, home
):
    layout = next(one for one in LAYOUTS if one.name == "SDXL-Turbo")
    source = made_once.folder(layout.name, lambda folder: save_layout(layout, folder))
    folders = {"small": made_once.bundle(), "xl": made_once.bundle(source, precision="fp32")}
    budget = min(map(weights_bytes, folders.values()))
    assert budget < sum(map(weights_bytes, folders.values())), "they do not fit together"
    before = {name: count(name) for name in ("loads", "unloads")}
    worker = make_worker(folders, budget_bytes=budget)
    asked: list[tuple[str, Shop, Sequence[UUID]]] = []
    held: list[int] = []
    with watching(lambda: held.append(len(worker.models._residents))):
        for steps in (2, 3, 4):
            some = [
                (name, *want(database, folders[name], steps, steps + 3, side=64))
                for name in folders
            ]
            worker.run([one for _, _, ids in some for one in ids])
            asked += some
    assert max(held) == 1
    assert count("loads") - before["loads"] >= 4, "each came again after it had gone"
    assert count("unloads") - before["unloads"] >= 3
    for name, shop, ids in asked:
        check_drawn(
            shop, ids, storage, lambda rows, name=name: draw_alone(folders[name], home, rows)
        )


def count(what: str) -> float:
    """Return how many models were loaded, or unloaded for the budget."""
    label = {"outcome": "loaded"} if what == "loads" else {"reason": "budget"}
    return REGISTRY.get_sample_value(f"packshot_model_{what}_total", label) or 0.0


@contextmanager
def watching(look: Callable[[], object]) -> Iterator[None]:
    """Look again and again while the block runs."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            look()

    look()
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def check_drawn(
    shop: Shop,
    ids: Sequence[UUID],
    storage: Storage,
    expected: Callable[[Sequence[Any]], list[np.ndarray]],
) -> None:
    """Check that images were made at the first attempt, and are what is drawn alone."""
    images = {image.generation_id: image for image in shop.images()}
    rows = [shop.generation(one) for one in ids]
    for row, alone in zip(rows, expected(rows), strict=True):
        assert (row.state, row.attempts) == (GenerationState.SUCCEEDED, 1)
        drawn = np.asarray(Picture.open(BytesIO(storage.read(images[row.id]))))
        assert drawn.shape == alone.shape
        assert psnr(drawn, alone) >= TOLERANCE_DB


def test_a_damaged_bundle_costs_no_attempt_and_its_rows_wait_visibly_while_others_go_on(
    folders, make_worker, database, tmp_path
):
    damaged = tmp_path / "damaged"
    shutil.copytree(folders["quarter"], damaged)
    (damaged / "unet" / "openvino_model.xml").write_text("no graph")
    shop, waiting = want(database, damaged, *STEPS)
    other, good = want(database, folders["eighth"], *STEPS)
    worker = make_worker({"good": folders["eighth"], "damaged": damaged})
    revision = load_manifest(damaged).revision

    for one in waiting:
        assert worker.runner.run(one) is Delivery.LATER
    worker.run(good)
    poll(lambda: revision not in worker.models.served(), seconds=300)
    with database.session() as session:
        serving.announce(session, "worker", worker.models.served())
        assert serving.abandoned_images(session) == {revision: len(STEPS)}
    for one in waiting:
        assert worker.runner.run(one) is Delivery.LATER
        row = shop.generation(one)
        assert (row.state, row.attempts, row.lease_owner) == (GenerationState.QUEUED, 0, None)
        assert {job.state for job in shop.jobs(generation_id=one)} == {JobState.QUEUED}
    assert {other.generation(one).state for one in good} == {GenerationState.SUCCEEDED}


def test_a_bundle_that_is_replaced_while_its_rows_wait(folders, make_worker, database, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(folders["eighth"], folder)
    old_shop, (running, late) = want(database, folder, 2, 3)
    worker = make_worker({"model": folder})
    worker.run([running])

    shutil.rmtree(folder)
    shutil.copytree(folders["quarter"], folder)
    worker.models.refresh()
    # The old one is in memory still.
    worker.run([late])
    new_shop, ids = want(database, folder, *STEPS)
    worker.run(ids)
    assert {new_shop.generation(one).attempts for one in ids} == {1}

    _, (lost,) = want(database, folders["eighth"], 4)
    assert worker.models.relieve(), "the old one was used least recently"
    assert worker.models.served() == {new_shop.model.revision}
    assert worker.runner.run(lost) is Delivery.LATER
    row = old_shop.generation(lost)
    assert (row.state, row.attempts) == (GenerationState.QUEUED, 0)
