"""Edits, from the job to the stored file: what `diffusers` draws over the same photographs."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image as Picture

from bundles.plan import Plan
from core.db.models import Image
from core.domain.lanes import Lane
from core.domain.photograph_spec import PhotographSpec
from core.domain.schedulers import SCHEDULERS
from core.domain.states import CacheOutcome, JobState
from core.lifecycle import submission
from core.pictures.provenance import COMPOSITE, source_type_of
from modelkit.export.build import build
from tests.integration.bundles.kinds import load, save_loud
from tests.integration.model.conftest import psnr
from tests.integration.shop import poll
from tests.specs import wanted
from tests.support.served import ServedModels
from worker.cutouts.pool import CutoutPool
from worker.edits.making import EditMaker
from worker.endings import Delivery
from worker.engine import Engine
from worker.leases import Leases
from worker.loaded import LoadedModel
from worker.model import StepInputs
from worker.pipeline import Pipeline
from worker.room import PromptedRoom
from worker.runner import Runner

SAME_AS_DIFFUSERS_DB = 60.0
"""What is promised of a row alone (docs/decisions/0004)."""
SIDE, STEPS, SEED = 64, 6, 11
PROMPT, NEGATIVE = "a red mug", "blue wood"


class Counted(Pipeline):
    """Remembers how many rows its UNet calls had."""

    def __init__(self, *given: Any, **values: Any) -> None:
        super().__init__(*given, **values)
        self.rows: list[int] = []

    def predict(self, inputs: StepInputs):
        self.rows.append(len(inputs.samples))
        return super().predict(inputs)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_loud(tmp_path_factory.mktemp("source") / "loud")


@pytest.fixture(scope="module")
def pipeline(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Counted:
    bundle = tmp_path_factory.mktemp("bundle") / "loud"
    build(weights, bundle, precision="fp32")
    return Counted(bundle, precision="f32", plan=Plan(threads=1))


@pytest.fixture
def engine(pipeline) -> Iterator[tuple[Engine, LoadedModel]]:
    pipeline.rows.clear()
    model = LoadedModel(pipeline, revision="r1")
    engine = Engine({"r1": model}, row_limit=8)
    yield engine, model
    engine.close()


@pytest.fixture
def runner(database, storage, engine, preparer) -> Iterator[Runner]:
    rows, model = engine
    pool, room = CutoutPool(preparer, threads=2), PromptedRoom(8)
    yield Runner(
        database=database,
        storage=storage,
        engine=rows,
        models=ServedModels("r1", model=model),
        leases=Leases(
            database=database, engine=rows, owner="me", lease_seconds=60, heartbeat_seconds=1
        ),
        max_attempts=3,
        cutouts=pool,
        edits=EditMaker(pool=pool, room=room),
        room=room,
        pause_seconds=0,
    )
    pool.close()


@pytest.fixture
def want(database) -> Callable[..., UUID]:
    """Order an edit; return its job."""

    def want(source: str, mask: str | None = None, strength: float = 0.6, **values) -> UUID:
        drawn = wanted(
            PROMPT,
            **{
                "negative_prompt": NEGATIVE, "width": SIDE, "height": SIDE, "steps": STEPS,
                "guidance_scale": 3.0, "scheduler": "euler", "seed": SEED,
            }
            | values,
        )  # fmt: skip
        photograph = PhotographSpec(source=source, mask=mask, strength=strength)
        edit = replace(drawn, spec=drawn.spec.over(photograph))
        with database.session() as session:
            made = submission.submit(session, [edit], tenant="shop", lane=Lane.STANDARD)
        return made.job_ids[0]

    return want


@pytest.fixture
def run(engine, runner, shop) -> Callable[[UUID], Delivery]:
    engine[0].start()
    return lambda job_id: runner.run(shop.generation_of(job_id))


@pytest.fixture
def stored(run, shop, storage) -> Callable[[UUID], tuple[Image, bytes]]:
    """Run a job; return its image, and its file."""

    def stored(job: UUID) -> tuple[Image, bytes]:
        assert run(job) is Delivery.DONE, shop.job(job).error_message
        with shop.database.session() as session:
            image = session.get(Image, shop.job(job).image_id)
        assert image is not None
        return image, storage.read(image)

    return stored


def pattern(width: int, height: int) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(Picture.fromarray(small).resize((width, height), Picture.Resampling.NEAREST))


def hole(width: int, height: int) -> np.ndarray:
    """Light where the photograph may be drawn anew."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2 + 3, width // 3 : width * 3 // 4] = 255
    return mask


def png(pixels: np.ndarray) -> bytes:
    stream = BytesIO()
    Picture.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def pixels_of(body: bytes) -> np.ndarray:
    return np.asarray(Picture.open(BytesIO(body)))


def by_diffusers(weights: Path, pipeline: Pipeline, kind: type, **asked: Any) -> np.ndarray:
    reference = load(weights)
    scheduler = getattr(diffusers, SCHEDULERS["euler"])
    reference.scheduler = scheduler.from_config(dict(pipeline.scheduler_config))
    drawing = kind(**reference.components, requires_safety_checker=False)
    drawing.set_progress_bar_config(disable=True)
    given: Mapping[str, Any] = {
        "prompt": PROMPT, "negative_prompt": NEGATIVE, "num_inference_steps": STEPS,
        "guidance_scale": 3.0, "generator": torch.Generator().manual_seed(SEED),
    }  # fmt: skip
    return np.asarray(drawing(**given, **asked).images[0])


def grown(mask: np.ndarray) -> np.ndarray:
    """Return a mask whose cells of 8 pixels are light where one of the nine around has any."""
    cells = torch.from_numpy((mask > 0).astype(np.float32))[None, None]
    most = torch.nn.functional.max_pool2d(cells, 8)
    around = torch.nn.functional.max_pool2d(most, 3, stride=1, padding=1)
    return np.asarray(around[0, 0].repeat_interleave(8, 0).repeat_interleave(8, 1) * 255, np.uint8)


def test_a_photograph_becomes_what_diffusers_makes_of_it(weights, pipeline, keep, want, stored):
    source = pattern(SIDE, SIDE)
    image, body = stored(want(keep(png(source))))
    theirs = by_diffusers(
        weights,
        pipeline,
        diffusers.StableDiffusionImg2ImgPipeline,
        image=Picture.fromarray(source),
        strength=0.6,
    )
    assert psnr(pixels_of(body), theirs) >= SAME_AS_DIFFUSERS_DB
    assert (image.seed, image.width, image.height) == (SEED, SIDE, SIDE)
    assert source_type_of(body) == COMPOSITE
    assert "identical" not in image.quality
    assert (image.quality["source"], image.quality["notes"]) == ("kept", [])


@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_a_masked_photograph_is_what_diffusers_makes_of_it_and_itself_elsewhere(
    weights, pipeline, keep, want, stored, strength: float
):
    source, mask = pattern(SIDE, SIDE), hole(SIDE, SIDE)
    image, body = stored(want(keep(png(source)), keep(png(mask)), strength))
    theirs = by_diffusers(
        weights,
        pipeline,
        diffusers.StableDiffusionInpaintPipeline,
        image=Picture.fromarray(source),
        mask_image=Picture.fromarray(grown(mask)),
        strength=strength,
        width=SIDE,
        height=SIDE,
    )
    expected = np.where(mask[..., None] > 0, theirs, source)
    ours = pixels_of(body)
    assert psnr(ours, expected) >= SAME_AS_DIFFUSERS_DB
    assert (ours[mask == 0] == source[mask == 0]).all()
    assert not (ours[mask > 0] == source[mask > 0]).all()
    assert image.quality["identical"]
    assert image.quality["compared_pixels"] == np.count_nonzero(mask == 0)


def test_outside_its_mask_a_photograph_keeps_its_own_resolution(keep, want, stored):
    source, mask = pattern(150, 90), hole(150, 90)
    image, body = stored(want(keep(png(source)), keep(png(mask)), 1.0))
    ours = pixels_of(body)
    assert ours.shape == source.shape
    assert (image.width, image.height) == (150, 90)
    assert (ours[mask == 0] == source[mask == 0]).all()
    assert np.mean(np.abs(ours[mask > 0].astype(int) - source[mask > 0])) > 5
    assert image.quality["identical"]


def test_edits_and_texts_share_calls(pipeline, engine, runner, keep, want, shop):
    jobs = [
        want(keep(png(pattern(SIDE, SIDE))), strength=1.0),
        want(keep(png(pattern(SIDE, SIDE))), keep(png(hole(SIDE, SIDE))), 1.0),
    ]
    (text,) = shop.want(wanted(PROMPT, steps=STEPS, scheduler="euler")).job_ids
    rows, _ = engine
    with ThreadPoolExecutor(3) as threads:
        ends = [threads.submit(runner.run, shop.generation_of(one)) for one in (*jobs, text)]
        poll(lambda: len(rows._incoming) == 3)
        rows.start()
        assert {end.result() for end in ends} == {Delivery.DONE}
    # Two edits with guidance, and a text without.
    assert pipeline.rows[0] == 5


@pytest.mark.parametrize(
    ("mask", "code", "says"),
    [
        (hole(SIDE, SIDE - 8), "mask_mismatch", "64 × 56 pixels and its photograph 64 × 64"),
        (np.zeros((SIDE, SIDE), np.uint8), "mask_useless", "dark everywhere"),
        (np.full((SIDE, SIDE), 250, np.uint8), "mask_useless", "light everywhere"),
    ],
)
def test_a_mask_that_is_none_is_named_before_anything_is_drawn(
    pipeline, keep, want, run, shop, mask: np.ndarray, code: str, says: str
):
    job = want(keep(png(pattern(SIDE, SIDE))), keep(png(mask)))
    assert run(job) is Delivery.FAILED
    failed = shop.job(job)
    assert (failed.state, failed.error_code) == (JobState.FAILED, code)
    assert says in failed.error_message
    assert pipeline.rows == []


def test_equal_edits_are_drawn_once(keep, want, stored, shop):
    digest = keep(png(pattern(SIDE, SIDE)))
    stored(want(digest, seed=None))
    assert shop.job(want(digest, seed=None)).cache is CacheOutcome.EXACT
    assert shop.job(want(digest, strength=0.5, seed=None)).cache is CacheOutcome.MISS
