"""Sizes are any multiples of a latent's side, square or not: diffusers draws the same."""

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from benchmarks.layouts import LAYOUTS, save_layout
from bundles.manifest import TokenMergingPlan
from bundles.manifest_file import load_manifest
from bundles.plan import Plan
from modelkit.export.source import PROFILE, read_profile
from tests.integration.bundles.kinds import save_loud
from tests.integration.model.conftest import psnr
from tests.specs import row_request
from tests.support.made_once import MadeOnce
from worker.engine import Engine
from worker.pipeline import Pipeline

SAME_AS_DIFFUSERS_DB = 40.0
SAME_IN_COMPANY_DB = 50.0
PATIENCE = 600
SIZES = [(40, 40), (56, 40), (40, 72), (88, 40)]
"""Of latents whose sides are odd, and which no level of the UNet divides."""


def save_without_sizes(folder: Path) -> None:
    """Write a model that leaves its sizes to what its graphs take."""
    save_loud(folder)
    (folder / PROFILE).unlink()


def source_of(kind: str, made_once: MadeOnce) -> Path:
    if kind == "one":
        return made_once.folder("loud, of any size", save_without_sizes)
    layout = next(one for one in LAYOUTS if one.name == "Stable Diffusion XL 1.0")
    return made_once.folder(layout.name, lambda folder: save_layout(layout, folder))


@pytest.fixture(scope="module", params=["one", "two"])
def source(request, made_once: MadeOnce) -> Path:
    return source_of(request.param, made_once)


def draw(pipeline: Pipeline, requests: list[Any]) -> list[np.ndarray]:
    engine = Engine.of_one(pipeline, row_limit=8)
    tickets = [engine.submit(one) for one in requests]
    engine.start()
    try:
        return [ticket.result(PATIENCE).image for ticket in tickets]
    finally:
        engine.close()


def asked(seed: int, width: int, height: int) -> Any:
    return row_request(
        prompt="a red mug", negative_prompt="blue", seed=seed, steps=3, guidance_scale=3.0,
        scheduler="ddim", width=width, height=height,
    )  # fmt: skip


def test_rows_of_many_sizes_are_what_diffusers_draws(made_once: MadeOnce, source: Path):
    bundle = made_once.bundle(source, precision="fp32")
    pipeline = Pipeline(bundle, precision="f32", plan=Plan(threads=1))
    reference = diffusers.DiffusionPipeline.from_pretrained(
        source, torch_dtype=torch.float32, safety_checker=None
    )
    reference.set_progress_bar_config(disable=True)
    reference.scheduler = diffusers.DDIMScheduler.from_config(dict(pipeline.scheduler_config))
    ours = draw(pipeline, [asked(seed, *size) for seed, size in enumerate(SIZES)])
    for seed, ((width, height), image) in enumerate(zip(SIZES, ours, strict=True)):
        drawn = reference(
            "a red mug", negative_prompt="blue", width=width, height=height,
            num_inference_steps=3, guidance_scale=3.0,
            generator=torch.Generator().manual_seed(seed),
        )  # fmt: skip
        assert psnr(image, np.asarray(drawn.images[0])) >= SAME_AS_DIFFUSERS_DB, (width, height)


def test_a_bundle_takes_every_size_of_whole_latents(made_once: MadeOnce):
    source = source_of("one", made_once)
    assert load_manifest(made_once.bundle(source, precision="fp32")).sizes.multiple_of == 8
    assert read_profile(source).sizes.multiple_of == 8


@pytest.mark.parametrize("mode", ["mean", "downsample"])
def test_merged_tokens_take_them_too(made_once: MadeOnce, mode: Any):
    plan = TokenMergingPlan(ratios=(0.5 if mode == "mean" else 0.75,), mode=mode)
    bundle = made_once.bundle(source_of("one", made_once), precision="fp32", token_merging=plan)
    pipeline = Pipeline(bundle, precision="f32", plan=Plan(threads=1))
    rows = [asked(seed, *size) for seed, size in enumerate([(40, 40), (88, 40), (88, 40)])]
    for row, image in zip(rows, draw(pipeline, rows), strict=True):
        assert image.shape == (row.spec.height, row.spec.width, 3)
        assert psnr(draw(pipeline, [row])[0], image) >= SAME_IN_COMPANY_DB
