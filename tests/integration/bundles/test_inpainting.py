"""Bundles of models that see a mask: rows are what diffusers' pipelines for inpainting draw."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import openvino as ov
import pytest
import torch
from PIL import Image

from benchmarks.layouts import LAYOUTS, save_layout
from bundles.layout import load_layout
from bundles.manifest import Defaults, TokenMergingPlan
from bundles.plan import Plan
from core.domain.schedulers import SCHEDULERS
from modelkit.evaluation.parity import LOSSY_DB, check_parity
from modelkit.export.build import build
from modelkit.export.source import PROFILE
from modelkit.export.unet import convert_unet
from modelkit.progress import Silent
from modelkit.quantise.trajectories import Recorder, Trajectory, pipeline_around, record
from modelkit.quantise.trajectories import draw as draw_call
from tests.integration.model.conftest import psnr
from tests.specs import row_request
from tests.support.made_once import MadeOnce
from worker.engine import Engine
from worker.model import StepInputs
from worker.pipeline import Pipeline
from worker.rows import RowRequest, RowResult
from worker.walk import NOISE, Begin, Picture

SAME_AS_DIFFUSERS_DB = 40.0
OTHER_DB = 25.0
"""Far below what is asked for: a mask or a picture that is not seen fails it."""
SAME_IN_COMPANY_DB = 50.0
"""What is promised of a row alone and in company (docs/decisions/0004)."""

PATIENCE = 600
SIDE, STEPS = 64, 6
PROMPT, NEGATIVE = "a red mug", "blue wood"
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
HOLE = np.zeros((SIDE, SIDE), np.uint8)
HOLE[16:48, 24:56] = 255
MASK = np.asarray(HOLE, np.float32)[None, ::8, ::8] / 255

ROWS: Mapping[str, Begin | Picture] = {
    "text": NOISE,
    "picture": Picture(pixels=PIXELS, strength=0.6),
    "mask": Picture(pixels=PIXELS, strength=1.0, mask=MASK),
    "mask over the picture": Picture(pixels=PIXELS, strength=0.7, mask=MASK),
}
"""Rows of one call."""


class Counted(Pipeline):
    """Remembers how many rows its UNet calls had, and how many images were encoded at once."""

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


@dataclass(frozen=True, kw_only=True)
class Model:
    """A bundle beside diffusers' reading of its source."""

    source: Path
    pipeline: Counted
    reference: Any


@pytest.fixture(scope="module", params=["1.5", "XL"])
def model(request: pytest.FixtureRequest, made_once: MadeOnce) -> Model:
    name = f"Stable Diffusion {request.param} for inpainting (9 channels)"
    layout = next(one for one in LAYOUTS if one.name == name)
    source = made_once.folder(layout.name, lambda folder: save_layout(layout, folder))
    bundle = made_once.bundle(source, precision="fp32", verify=check_parity)
    if request.param == "XL":
        kind: Any = diffusers.StableDiffusionXLInpaintPipeline
        options: dict[str, Any] = {"add_watermarker": False}
    else:
        kind, options = diffusers.StableDiffusionInpaintPipeline, {"safety_checker": None}
    reference = kind.from_pretrained(source, torch_dtype=torch.float32, **options)
    reference.set_progress_bar_config(disable=True)
    pipeline = Counted(bundle, precision="f32", plan=Plan(threads=1))
    return Model(source=source, pipeline=pipeline, reference=reference)


def request(seed: int, begin: Begin | Picture, scheduler: str = "ddim") -> RowRequest:
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


def by_diffusers(model: Model, begin: Begin | Picture, seed: int) -> np.ndarray:
    picture = begin if isinstance(begin, Picture) else None
    # Of a text alone nothing of the image is seen, whatever it is.
    image = picture.pixels if picture else PIXELS[::-1]
    hole = HOLE if picture and picture.mask is not None else np.full_like(HOLE, 255)
    drawn = model.reference(
        PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS, guidance_scale=3.0,
        image=Image.fromarray(np.ascontiguousarray(image)), mask_image=Image.fromarray(hole),
        strength=picture.strength if picture else 1.0, width=SIDE, height=SIDE,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    return np.asarray(drawn.images[0])


@pytest.mark.parametrize("scheduler", ["ddim", "euler_ancestral", "dpmpp_2m", "unipc", "lcm"])
def test_texts_pictures_and_masks_share_calls_and_are_what_diffusers_draws(
    model: Model, scheduler: str
):
    kind = getattr(diffusers, SCHEDULERS[scheduler])
    model.reference.scheduler = kind.from_config(dict(model.pipeline.scheduler_config))
    model.pipeline.rows.clear()
    model.pipeline.images.clear()
    asked = [request(seed, begin, scheduler) for seed, begin in enumerate(ROWS.values())]
    ours = draw(model.pipeline, asked)
    assert model.pipeline.rows[0] == 2 * len(ROWS), "with guidance, all in one call"
    assert model.pipeline.images == [6], "what is kept of each, and two whole pictures"
    for seed, ((name, begin), result) in enumerate(zip(ROWS.items(), ours, strict=True)):
        theirs = by_diffusers(model, begin, seed)
        assert psnr(result.image, theirs) >= SAME_AS_DIFFUSERS_DB, name


def test_the_mask_and_what_is_kept_are_seen(model: Model):
    seed = 3
    mask, other = (
        draw(model.pipeline, [request(seed, Picture(pixels=pixels, strength=1.0, mask=MASK))])[0]
        for pixels in (PIXELS, 255 - PIXELS)
    )
    (text,) = draw(model.pipeline, [request(seed, NOISE)])
    for one in (other, text):
        assert psnr(mask.image, one.image) < OTHER_DB


def test_rows_alone_are_those_in_company(model: Model):
    asked = [request(seed, begin) for seed, begin in enumerate(ROWS.values())]
    together = draw(model.pipeline, asked)
    for one, row in zip(asked, together, strict=True):
        (alone,) = draw(model.pipeline, [one])
        assert psnr(alone.image, row.image) >= SAME_IN_COMPANY_DB


def test_fixed_shapes_draw_the_same_and_warm_up(model: Model):
    plan = Plan(threads=1, rows=2, batches=(4,), size=(SIDE, SIDE))
    fixed = Pipeline(model.pipeline.folder, precision="f32", plan=plan)
    fixed.warm_up(width=SIDE, height=SIDE)
    asked = [request(1, ROWS["mask"]), request(2, NOISE)]
    for one, other in zip(draw(fixed, asked), draw(model.pipeline, asked), strict=True):
        assert psnr(one.image, other.image) >= SAME_IN_COMPANY_DB


def test_calibration_draws_texts_alone_and_into_what_was_drawn(model: Model, tmp_path: Path):
    defaults = Defaults(steps=2, guidance_scale=3.0, width=SIDE, height=SIDE, scheduler="euler")
    unet = convert_unet(model.source / "unet")

    def recorded() -> list[Trajectory]:
        return record(
            unet, model.source, [PROMPT, PROMPT],
            defaults=defaults, calls_each=2, workdir=tmp_path, say=Silent(),
        )  # fmt: skip

    text, masked = (one.calls[0]["sample"] for one in recorded())
    assert text.shape == masked.shape == (2, 9, SIDE // 8, SIDE // 8)
    assert (text[:, 4] == 1).all(), "the mask is everywhere"
    assert set(np.unique(masked[:, 4])) == {0, 1}
    recorder = Recorder(unet, model.reference.unet.config, Silent())
    draw_call(pipeline_around(model.source, recorder, "euler"), PROMPT, 1, defaults)
    grey, kept = recorder.calls[0]["sample"], masked[0, 4] == 0
    assert np.allclose(grey[:, :4], masked[:, :4], atol=1e-5), "the same noise"
    seen = np.abs(grey[0, 5:] - masked[0, 5:]).mean(axis=0)
    assert seen[kept].mean() > 0.1, "a picture, and no grey"
    # An interrupted run draws the second one into the first one that is there.
    (second,) = tmp_path.glob("0001-*.safetensors")
    second.unlink()
    assert np.array_equal(recorded()[1].calls[0]["sample"], masked)


@pytest.mark.slow
def test_int8_draws_what_diffusers_draws_around_its_unet(model: Model, tmp_path: Path):
    known = shutil.copytree(model.source, tmp_path / "source")
    profile = json.loads((known / PROFILE).read_text())
    profile["build"] = {"quantisation": {"samples": 10, "bias_correction": "none"}}
    (known / PROFILE).write_text(json.dumps(profile))
    manifest = build(known, tmp_path / "int8", precision="int8", verify=check_parity)
    assert (manifest.precision, manifest.quantisation.samples) == ("int8", 10)
    graph = ov.Core().read_model(tmp_path / "int8" / "unet" / "openvino_model.xml")
    around = type(model.reference)(**model.reference.components | {
        "unet": Recorder(graph, load_layout(tmp_path / "int8").unet, Silent())
    })  # fmt: skip
    around.set_progress_bar_config(disable=True)
    pipeline = Pipeline(tmp_path / "int8", precision="f32", plan=Plan(threads=1))
    kind = getattr(diffusers, SCHEDULERS["ddim"])
    around.scheduler = kind.from_config(dict(pipeline.scheduler_config))
    beside = replace(model, reference=around)
    for seed, (name, begin) in enumerate(ROWS.items()):
        (ours,) = draw(pipeline, [request(seed, begin)])
        assert psnr(ours.image, by_diffusers(beside, begin, seed)) >= LOSSY_DB, name


def test_merged_tokens_are_verified_part_by_part(model: Model, tmp_path: Path):
    merging = TokenMergingPlan(ratios=(0.5,))
    manifest = build(model.source, tmp_path / "merged", token_merging=merging, verify=check_parity)
    assert manifest.token_merging == merging
