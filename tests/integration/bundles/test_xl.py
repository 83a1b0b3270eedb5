"""Bundles of Stable Diffusion XL's shape: rows are what pipelines of diffusers draw, in company."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.layouts import LAYOUTS, save_layout
from bundles.layout import POOLED, SIZE_IDS, load_layout
from bundles.manifest import Defaults, TokenMergingPlan
from bundles.manifest_file import load_manifest
from bundles.plan import Plan
from core.domain.schedulers import SCHEDULERS
from modelkit.evaluation.parity import check_parity
from modelkit.export.build import build
from modelkit.export.source import PROFILE
from modelkit.export.unet import convert_unet
from modelkit.progress import Silent
from modelkit.quantise.trajectories import record
from tests.integration.model.conftest import psnr
from tests.specs import row_request
from tests.support.made_once import MadeOnce
from worker.engine import Engine
from worker.loaded import LoadedModel
from worker.pipeline import Pipeline
from worker.rows import RowRequest, RowResult
from worker.walk import NOISE, Picture

SAME_AS_DIFFUSERS_DB = 40.0
SAME_IN_COMPANY_DB = 50.0
"""What is promised of a row alone and in company (docs/decisions/0004)."""

PATIENCE = 600
PROMPT = "a red mug"
ROWS: Sequence[dict[str, Any]] = (
    {"guidance_scale": 3.0, "width": 64, "height": 64},
    {"guidance_scale": 3.0, "negative_prompt": "blue wood", "width": 64, "height": 64},
    {"guidance_scale": 1.0, "width": 64, "height": 64},
    {"guidance_scale": 3.0, "width": 96, "height": 64},
)
"""Without a negative prompt, with one, without guidance, and of another size."""

PICTURE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)


@pytest.fixture(scope="module")
def source(made_once: MadeOnce) -> Path:
    layout = next(one for one in LAYOUTS if one.name == "Stable Diffusion XL 1.0")
    return made_once.folder(layout.name, lambda folder: save_layout(layout, folder))


@pytest.fixture(scope="module")
def bundle(made_once: MadeOnce, source: Path) -> Path:
    return made_once.bundle(source, precision="fp32")


@pytest.fixture(scope="module")
def pipeline(bundle: Path) -> Pipeline:
    return Pipeline(bundle, precision="f32", plan=Plan(threads=1))


@pytest.fixture(scope="module")
def reference(source: Path) -> diffusers.StableDiffusionXLPipeline:
    return diffusers.StableDiffusionXLPipeline.from_pretrained(
        source, torch_dtype=torch.float32, add_watermarker=False
    )


def request(seed: int, **values: Any) -> RowRequest:
    return row_request(**{"prompt": PROMPT, "steps": 4, "seed": seed} | values)


def draw(pipeline: Pipeline, requests: Sequence[RowRequest]) -> list[RowResult]:
    engine = Engine.of_one(pipeline, row_limit=8)
    tickets = [engine.submit(one) for one in requests]
    engine.start()
    try:
        return [ticket.result(PATIENCE) for ticket in tickets]
    finally:
        engine.close()


def by_diffusers(kind: Any, reference: Any, seed: int, row: dict[str, Any], **given: Any):
    drawing = kind(**reference.components, add_watermarker=False)
    drawing.set_progress_bar_config(disable=True)
    asked = {"negative_prompt": None} | row | given
    generator = torch.Generator().manual_seed(seed)
    drawn = drawing(PROMPT, num_inference_steps=4, generator=generator, **asked)
    return np.asarray(drawn.images[0])


@pytest.mark.parametrize("scheduler", ["euler", "dpmpp_2m", "ddim", "lcm"])
def test_rows_of_one_queue_are_what_diffusers_draws(pipeline, reference, scheduler: str):
    kind = getattr(diffusers, SCHEDULERS[scheduler])
    reference.scheduler = kind.from_config(dict(pipeline.scheduler_config))
    asked = [request(seed, scheduler=scheduler, **row) for seed, row in enumerate(ROWS)]
    ours = [one.image for one in draw(pipeline, asked)]
    for seed, (row, image) in enumerate(zip(ROWS, ours, strict=True)):
        theirs = by_diffusers(diffusers.StableDiffusionXLPipeline, reference, seed, row)
        assert psnr(image, theirs) >= SAME_AS_DIFFUSERS_DB, row


def test_rows_alone_are_those_in_company(pipeline):
    asked = [request(seed, **row) for seed, row in enumerate(ROWS)]
    together = draw(pipeline, asked)
    for one, row in zip(asked, together, strict=True):
        (alone,) = draw(pipeline, [one])
        assert psnr(alone.image, row.image) >= SAME_IN_COMPANY_DB


def test_no_negative_prompt_is_another_image_than_one(pipeline):
    first, second = (draw(pipeline, [request(1, **row)])[0].image for row in ROWS[:2])
    assert psnr(first, second) < SAME_AS_DIFFUSERS_DB


def test_pictures_and_masks_share_calls_with_texts(pipeline, reference):
    reference.scheduler = diffusers.DDIMScheduler.from_config(dict(pipeline.scheduler_config))
    hole = np.zeros((64, 64), np.uint8)
    hole[16:48, 24:56] = 255
    mask = np.asarray(hole, np.float32)[None, ::8, ::8] / 255
    begins = (
        NOISE,
        Picture(pixels=PICTURE, strength=0.5),
        Picture(pixels=PICTURE, strength=0.5, mask=mask),
    )
    row = {"guidance_scale": 3.0}
    ours = draw(pipeline, [request(n, begin=one, **row) for n, one in enumerate(begins)])
    image = Image.fromarray(PICTURE)
    size = {"width": 64, "height": 64}
    theirs = (
        by_diffusers(diffusers.StableDiffusionXLPipeline, reference, 0, row | size),
        by_diffusers(
            diffusers.StableDiffusionXLImg2ImgPipeline, reference, 1, row,
            image=image, strength=0.5,
        ),
        by_diffusers(
            diffusers.StableDiffusionXLInpaintPipeline, reference, 2, row | size,
            image=image, mask_image=Image.fromarray(hole), strength=0.5,
        ),
    )  # fmt: skip
    for name, one, other in zip(("text", "picture", "mask"), ours, theirs, strict=True):
        assert psnr(one.image, other) >= SAME_AS_DIFFUSERS_DB, name


def test_fixed_shapes_draw_the_same(bundle: Path, pipeline):
    fixed = Pipeline(
        bundle, precision="f32", plan=Plan(threads=1, rows=2, batches=(4,), size=(64, 64))
    )
    asked = [request(seed, **row) for seed, row in enumerate(ROWS[:2])]
    for one, other in zip(draw(fixed, asked), draw(pipeline, asked), strict=True):
        assert psnr(one.image, other.image) >= SAME_IN_COMPANY_DB


def test_merged_tokens_are_verified_part_by_part(source: Path, tmp_path: Path):
    merging = TokenMergingPlan(ratios=(0.5,))
    manifest = build(source, tmp_path / "merged", token_merging=merging, verify=check_parity)
    assert manifest.token_merging == merging


def test_calibration_knows_what_conditions_the_unet(source: Path, tmp_path: Path):
    (drawn,) = record(
        convert_unet(source / "unet"), source, [PROMPT],
        defaults=Defaults(steps=2, guidance_scale=3.0, width=64, height=96, scheduler="euler"),
        calls_each=2, workdir=tmp_path, say=Silent(),
    )  # fmt: skip
    without, prompted = drawn.calls[0][POOLED]
    assert not without.any(), "the empty prompt is zeros"
    assert prompted.any()
    assert drawn.calls[0][SIZE_IDS].tolist() == [[96, 64, 0, 0, 96, 64]] * 2


def test_a_bundle_names_both_encoders_and_its_own_defaults(bundle: Path):
    layout = load_layout(bundle)
    assert [one["hidden_size"] for one in layout.text_encoders] == [32, 48]
    assert layout.zeroes_empty_negative
    assert (bundle / "tokenizer_2" / "tokenizer.json").is_file()
    assert load_manifest(bundle).latent_channels == 4


def test_a_bundle_of_a_bundle_draws_the_same(bundle: Path, pipeline, tmp_path: Path):
    build(bundle, tmp_path / "again", name="again")
    again = Pipeline(tmp_path / "again", precision="f32", plan=Plan(threads=1))
    asked = [request(1, **ROWS[0])]
    assert np.array_equal(draw(again, asked)[0].image, draw(pipeline, asked)[0].image)


def test_one_engine_serves_both_shapes_from_one_queue(pipeline, made_once: MadeOnce):
    small = Pipeline(made_once.bundle(), precision="f32", plan=Plan(threads=1))
    models = {"small": LoadedModel(small), "xl": LoadedModel(pipeline)}
    asked = [request(n, revision=name) for n, name in enumerate([*models, *models])]
    engine = Engine(models, row_limit=4)
    tickets = [engine.submit(one) for one in asked]
    engine.start()
    try:
        mixed = [ticket.result(PATIENCE) for ticket in tickets]
    finally:
        engine.close()
    for one, row in zip(asked, mixed, strict=True):
        (alone,) = draw(small if one.revision == "small" else pipeline, [request_of(one)])
        assert psnr(alone.image, row.image) >= SAME_IN_COMPANY_DB


def request_of(one: RowRequest) -> RowRequest:
    """Ask a worker of a single model for the same."""
    return replace(one, revision="")


def test_int8_is_calibrated_on_its_own_conditioning_and_verified(source: Path, tmp_path: Path):
    known = shutil.copytree(source, tmp_path / "source")
    profile = json.loads((known / PROFILE).read_text())
    profile["build"] = {"quantisation": {"samples": 8, "bias_correction": "none"}}
    (known / PROFILE).write_text(json.dumps(profile))
    manifest = build(known, tmp_path / "int8", precision="int8", verify=check_parity)
    # One image of five steps.
    assert (manifest.precision, manifest.quantisation.samples) == ("int8", 5)
