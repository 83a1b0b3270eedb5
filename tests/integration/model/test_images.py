"""What comes out of the engine: diffusers' own images, in any company, of what was asked for."""

from pathlib import Path

import diffusers
import numpy as np
import psutil
import pytest
import torch

from bundles.plan import Plan
from core.domain.schedulers import SCHEDULERS
from starter import SOURCE
from starter.data.attributes import ATTRIBUTES
from starter.data.classifier import load_classifier
from starter.scenes.pictures import to_tensor
from tests.integration.model.conftest import (
    PATIENCE,
    SAME_IN_COMPANY_DB,
    alone_and_together,
    psnr,
)
from worker.embeddings import EmbeddingStore
from worker.engine import Engine
from worker.finite import NotFiniteError
from worker.loaded import LoadedModel
from worker.pipeline import Pipeline

SAME_AS_DIFFUSERS_DB = 40.0
"""Two implementations of the same arithmetic, OpenVINO's and PyTorch's, in FP32."""


@pytest.fixture(scope="module")
def reference():
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(SOURCE, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_an_image_is_the_one_that_diffusers_makes(
    engine, make, pipeline, reference, scheduler: str, guidance_scale: float
):
    request = make(
        scheduler=scheduler, guidance_scale=guidance_scale, steps=6, negative_prompt="blue"
    )
    ours = engine.submit(request).result(PATIENCE).image
    kind = getattr(diffusers, SCHEDULERS[scheduler])
    reference.scheduler = kind.from_config(dict(pipeline.scheduler_config))
    (theirs,) = reference(
        request.spec.prompt,
        negative_prompt=request.spec.negative_prompt,
        num_inference_steps=request.spec.steps,
        guidance_scale=guidance_scale,
        width=request.spec.width,
        height=request.spec.height,
        generator=torch.Generator().manual_seed(request.spec.seed),
    ).images
    assert psnr(ours, np.asarray(theirs)) >= SAME_AS_DIFFUSERS_DB


def test_pixels_that_are_no_numbers_are_no_image(pipeline):
    latents = np.zeros((2, 4, 16, 16), np.float32)
    assert pipeline.decode(latents).shape == (2, 128, 128, 3)
    latents[1, 0, 3, 3] = np.nan
    with pytest.raises(NotFiniteError, match=f"decoder.*{pipeline.precision}"):
        pipeline.decode(latents)


@pytest.mark.parametrize(
    ("changes", "read_as"),
    [
        ({"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True}, {}),
        ({"algorithm_type": "deis", "solver_type": "logrho"}, {"algorithm_type": "dpmsolver++"}),
    ],
)
def test_a_models_own_solver_makes_the_image_that_diffusers_makes_with_it(
    engine, make, pipeline, reference, monkeypatch, changes, read_as
):
    config = dict(pipeline.scheduler_config) | changes
    monkeypatch.setattr(pipeline, "scheduler_config", config)
    request = make(scheduler="dpmpp_2m", steps=6, negative_prompt="blue")
    ours, again = (engine.submit(request).result(PATIENCE).image for _ in range(2))
    assert psnr(ours, again) == float("inf")
    reference.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(config | read_as)
    (theirs,) = reference(
        request.spec.prompt,
        negative_prompt=request.spec.negative_prompt,
        num_inference_steps=request.spec.steps,
        guidance_scale=request.spec.guidance_scale,
        width=request.spec.width,
        height=request.spec.height,
        generator=torch.Generator().manual_seed(request.spec.seed),
    ).images
    assert psnr(ours, np.asarray(theirs)) >= SAME_AS_DIFFUSERS_DB


def test_an_image_is_the_same_alone_and_in_company(engine, make):
    for one, other in alone_and_together(engine, make):
        assert psnr(one, other) >= SAME_IN_COMPANY_DB


def test_streams_and_fixed_shapes_do_not_change_an_image(starter, engine, make):
    planned = Pipeline(
        starter, plan=Plan(streams=2, rows=2, batches=(4,), size=(128, 128)), decode_tile=256
    )
    two_streams = Engine.of_one(planned, row_limit=2, streams=2)
    two_streams.start()
    requests = [
        make(seed=1, steps=5),
        make(seed=2, steps=6, guidance_scale=1.0, prompt="a dotted blue lamp"),
        make(seed=3, steps=4, scheduler="ddim"),
        make(seed=4, steps=5, guidance_start=0.2, guidance_end=0.8),
        make(seed=5, steps=4, width=64, prompt="a green chair"),
    ]
    try:
        tickets = [two_streams.submit(request) for request in requests]
        planned_images = [ticket.result(PATIENCE).image for ticket in tickets]
    finally:
        two_streams.close()
    for request, image in zip(requests, planned_images, strict=True):
        assert psnr(image, engine.submit(request).result(PATIENCE).image) >= SAME_IN_COMPANY_DB


def test_large_latents_are_decoded_in_tiles_as_diffusers_does(starter, reference):
    latents = np.random.default_rng(0).standard_normal((2, 4, 20, 12)).astype(np.float32)
    tiled = Pipeline(starter, decode_tile=64).decode(latents)
    vae = reference.vae
    vae.enable_tiling()
    vae.tile_latent_min_size, vae.tile_sample_min_size = 8, 64
    try:
        with torch.no_grad():
            decoded = vae.decode(torch.from_numpy(latents) / vae.config.scaling_factor).sample
    finally:
        vae.disable_tiling()
    theirs = np.round(np.clip(decoded.numpy() * 0.5 + 0.5, 0, 1) * 255).astype(np.uint8)
    assert psnr(tiled, theirs.transpose(0, 2, 3, 1)) >= SAME_AS_DIFFUSERS_DB


def test_other_sizes_of_the_bundle_work(engine, make):
    tickets = [engine.submit(make(width=width, height=height, steps=2))
               for width, height in ((64, 128), (128, 64), (160, 160))]  # fmt: skip
    shapes = [ticket.result(PATIENCE).image.shape for ticket in tickets]
    assert shapes == [(128, 64, 3), (64, 128, 3), (160, 160, 3)]


def test_a_striped_red_mug_comes_out_as_one(engine, make):
    tickets = [engine.submit(make(seed=seed)) for seed in range(5)]
    images = np.stack([ticket.result(PATIENCE).image for ticket in tickets])
    classifier = load_classifier(Path(SOURCE) / "classifier")
    seen = [
        tuple(list(values)[label] for values, label in zip(ATTRIBUTES.values(), row, strict=True))
        for row in classifier.classify(to_tensor(images))
    ]
    assert seen.count(("mug", "red", "striped", "white")) >= 4, seen


def test_memory_does_not_grow_with_the_number_of_images(pipeline, make):
    """Of many sizes, prompts and batches; what one image leaves behind would be seen of all."""
    model = LoadedModel(pipeline, texts=EmbeddingStore(2**20))
    engine = Engine({"": model}, row_limit=8)
    engine.start()

    def draw(first: int, count: int) -> int:
        for start in range(first, first + count, 8):
            tickets = [
                engine.submit(make(
                    seed=seed, prompt=f"mug number {seed}", steps=1,
                    width=64 + 32 * (seed % 3), height=64 + 32 * (seed % 2),
                ))
                for seed in range(start, start + 8)
            ]  # fmt: skip
            for ticket in tickets:
                ticket.result(PATIENCE)
        return psutil.Process().memory_info().rss

    try:
        settled = draw(0, 96)
        grown = draw(96, 192) - settled
    finally:
        engine.close()
    assert grown < 24 * 2**20, f"{grown / 192 / 1024:.0f} KiB an image"
