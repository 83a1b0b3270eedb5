"""Rows of texts, pictures and masks share UNet calls, and are what pipelines of diffusers draw."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import openvino as ov
import pytest
import torch
from PIL import Image

from bundles.layout import load_layout
from bundles.plan import Plan
from core.domain.schedulers import SCHEDULERS
from modelkit.export.build import build
from tests.integration.bundles.kinds import load, save_loud
from tests.integration.model.conftest import psnr
from tests.specs import row_request
from worker.engine import Engine
from worker.model import StepInputs
from worker.pipeline import Pipeline
from worker.rows import RowImpossibleError, RowRequest, RowResult
from worker.walk import NOISE, Begin, Picture, PictureSource, Walk

SAME_AS_DIFFUSERS_DB = 60.0
SAME_IN_COMPANY_DB = 50.0
"""What is promised of a row alone and in company (docs/decisions/0004)."""

HALF_WAY = [name for name in SCHEDULERS if name != "pndm"]
"""Schedulers that can begin half way: pndm's first steps are those of the whole schedule."""

PATIENCE = 300
SIDE = 64
STEPS = 6
PROMPT, NEGATIVE = "a red mug", "blue wood"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_loud(tmp_path_factory.mktemp("source") / "loud")


class Counted(Pipeline):
    """Remembers how many rows its UNet calls had."""

    def __init__(self, *given: Any, **values: Any) -> None:
        super().__init__(*given, **values)
        self.rows: list[int] = []
        self.images: list[int] = []

    def predict(self, inputs: StepInputs):
        self.rows.append(len(inputs.samples))
        return super().predict(inputs)

    def encode_images(self, images: np.ndarray):
        self.images.append(len(images))
        return super().encode_images(images)


@pytest.fixture(scope="module")
def pipeline(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Counted:
    bundle = tmp_path_factory.mktemp("bundle") / "loud"
    build(source, bundle, precision="fp32")
    return Counted(bundle, precision="f32", plan=Plan(threads=1))


@pytest.fixture(scope="module")
def reference(source: Path) -> diffusers.StableDiffusionPipeline:
    return load(source)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(pixels.repeat(SIDE // 8, axis=0).repeat(SIDE // 8, axis=1))


@pytest.fixture(scope="module")
def hole() -> Image.Image:
    """White where the picture may change."""
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[16:48, 24:56] = 255
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def begins(pipeline: Pipeline, picture: Image.Image, hole: Image.Image) -> Mapping[str, Begin]:
    """Where the rows of one call begin."""
    encoder = ov.Core().compile_model(
        pipeline.folder / "vae_encoder" / "openvino_model.xml",
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    pixels = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    mean, variance = np.split(np.array(encoder([pixels])[0][0]), 2)
    scale = np.float32(load_layout(pipeline.folder).vae["scaling_factor"])
    known = {
        "mean": mean * scale,
        "deviation": np.exp(variance.clip(-30, 20) / 2) * scale,
    }
    mask = np.asarray(hole, np.float32)[None, ::8, ::8] / 255
    return {
        "text": NOISE,
        "picture": PictureSource(strength=0.6, **known),
        "mask": PictureSource(strength=1.0, mask=mask, **known),
        "mask over the picture": PictureSource(strength=0.7, mask=mask, **known),
    }


def request(scheduler: str, seed: int, begin: Begin | Picture) -> RowRequest:
    return row_request(
        prompt=PROMPT, negative_prompt=NEGATIVE, width=SIDE, height=SIDE, steps=STEPS,
        guidance_scale=3.0, scheduler=scheduler, seed=seed, begin=begin,
    )  # fmt: skip


def draw(pipeline: Pipeline, requests: list[RowRequest]) -> list[RowResult]:
    """Draw all at once."""
    engine = Engine.of_one(pipeline, row_limit=8)
    tickets = [engine.submit(one) for one in requests]
    engine.start()
    try:
        return [ticket.result(PATIENCE) for ticket in tickets]
    finally:
        engine.close()


def by_diffusers(reference, begin: Begin, seed: int, picture, hole) -> np.ndarray:
    asked: dict[str, Any] = {
        "prompt": PROMPT, "negative_prompt": NEGATIVE, "num_inference_steps": STEPS,
        "guidance_scale": 3.0, "generator": torch.Generator().manual_seed(seed),
    }  # fmt: skip
    kind, size = diffusers.StableDiffusionPipeline, {"width": SIDE, "height": SIDE}
    if isinstance(begin, PictureSource):
        asked |= {"image": picture, "strength": begin.strength}
        kind = diffusers.StableDiffusionImg2ImgPipeline
        if begin.mask is not None:
            asked |= {"mask_image": hole, **size}
            kind = diffusers.StableDiffusionInpaintPipeline
    else:
        asked |= size
    drawing = kind(**reference.components, requires_safety_checker=False)
    drawing.set_progress_bar_config(disable=True)
    return np.asarray(drawing(**asked).images[0])


def pictures(begins: Mapping[str, Begin], picture: Image.Image) -> Mapping[str, Begin | Picture]:
    """Have the engine encode the pictures that the rows begin with."""
    pixels = np.asarray(picture)
    return {
        name: Picture(pixels=pixels, strength=begin.strength, mask=begin.mask)
        if isinstance(begin, PictureSource)
        else begin
        for name, begin in begins.items()
    }


@pytest.mark.parametrize("scheduler", HALF_WAY)
def test_rows_that_begin_differently_share_calls_and_are_what_diffusers_draws(
    pipeline: Counted, reference, begins, picture, hole, scheduler: str
):
    kind = getattr(diffusers, SCHEDULERS[scheduler])
    reference.scheduler = kind.from_config(dict(pipeline.scheduler_config))
    pipeline.rows.clear()
    asked = [request(scheduler, seed, begin) for seed, begin in enumerate(begins.values())]
    ours = draw(pipeline, asked)
    assert pipeline.rows[0] == 2 * len(begins), "with guidance, all in one call"
    for seed, ((name, begin), result) in enumerate(zip(begins.items(), ours, strict=True)):
        theirs = by_diffusers(reference, begin, seed, picture, hole)
        assert psnr(result.image, theirs) >= SAME_AS_DIFFUSERS_DB, name


def test_pictures_that_the_engine_encodes_are_those_that_were_encoded_before(
    pipeline: Counted, begins, picture
):
    known = draw(pipeline, [request("ddim", n, one) for n, one in enumerate(begins.values())])
    pipeline.images.clear()
    asked = pictures(begins, picture).values()
    ours = draw(pipeline, [request("ddim", n, one) for n, one in enumerate(asked)])
    assert pipeline.images == [3], "all in one call"
    for one, other in zip(ours, known, strict=True):
        assert psnr(one.image, other.image) >= SAME_AS_DIFFUSERS_DB


def test_rows_alone_are_those_of_a_call_of_texts_pictures_and_masks(
    pipeline: Counted, begins, picture
):
    asked = [request("ddim", n, one) for n, one in enumerate(pictures(begins, picture).values())]
    together = draw(pipeline, asked)
    for one, row in zip(asked, together, strict=True):
        (alone,) = draw(pipeline, [one])
        assert psnr(alone.image, row.image) >= SAME_IN_COMPANY_DB


def test_a_picture_of_another_size_fails_alone(pipeline: Counted, begins, picture):
    small = Picture(pixels=np.zeros((SIDE, SIDE - 8, 3), np.uint8), strength=0.5)
    engine = Engine.of_one(pipeline, row_limit=8)
    asked = [request("ddim", 1, one) for one in (small, *pictures(begins, picture).values())]
    tickets = [engine.submit(one) for one in asked]
    engine.start()
    try:
        failures = [ticket.future.exception(PATIENCE) for ticket in tickets]
    finally:
        engine.close()
    assert isinstance(failures[0], RowImpossibleError)
    assert "(64, 56, 3)" in str(failures[0])
    assert failures[1:] == [None] * 4


def test_what_is_left_of_a_picture_costs_fewer_steps(pipeline, begins):
    results = draw(pipeline, [request("euler", 1, begin) for begin in begins.values()])
    assert [result.steps for result in results] == [6, 3, 6, 4]


def test_a_picture_that_does_not_fit_or_has_no_step_left_fails_alone(pipeline, begins):
    picture = begins["picture"]
    small = PictureSource(
        mean=picture.mean[:, 1:], deviation=picture.deviation[:, 1:], strength=0.5
    )
    weak = PictureSource(mean=picture.mean, deviation=picture.deviation, strength=0.1)
    engine = Engine.of_one(pipeline, row_limit=8)
    tickets = [engine.submit(request("euler", 1, begin)) for begin in (small, weak, picture)]
    engine.start()
    try:
        messages = [str(ticket.future.exception(PATIENCE)) for ticket in tickets]
    finally:
        engine.close()
    assert "do not fit" in messages[0]
    assert "leaves none of 6 steps" in messages[1]
    assert messages[2] == "None"


class Framed(Walk):
    """Shows the UNet half of its latents, and frames its image."""

    def model_input(self, latents: torch.Tensor) -> torch.Tensor:
        return latents / 2

    def finish(self, image: np.ndarray) -> np.ndarray:
        return np.pad(image, ((1, 1), (1, 1), (0, 0)))


class Frame:
    optional = False

    def begin(self, sampler) -> Walk:
        return Framed(NOISE.begin(sampler).first)


def test_a_walk_has_a_say_in_what_the_unet_sees_and_in_the_image(pipeline, begins):
    text, framed = draw(pipeline, [request("ddim", 1, NOISE), request("ddim", 1, Frame())])
    assert framed.image.shape == (SIDE + 2, SIDE + 2, 3)
    assert not framed.image[0].any()
    assert not np.array_equal(framed.image[1:-1, 1:-1], text.image)
