"""A tiny autoencoder in place of a model's own: as diffusers' pipelines use it."""

import json
import re
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from bundles.manifest import Manifest
from bundles.plan import Plan
from core.errors import BundleError
from modelkit.evaluation.comparison import likeness
from modelkit.evaluation.parity import check_parity
from modelkit.export.additions import Additions
from modelkit.export.build import build
from modelkit.export.preparation import prepare
from modelkit.progress import Silent
from tests.integration.bundles.kinds import load, save_loud
from tests.specs import row_request
from worker.engine import Engine
from worker.pipeline import Pipeline
from worker.walk import NOISE, Begin, Picture

SAME_AS_DIFFUSERS_DB = 40.0
PATIENCE = 300
SIDE, STEPS, SEED = 64, 4, 3
PROMPT = "a red mug"
WEIGHTS = "diffusion_pytorch_model.safetensors"


def small(**changes: Any) -> AutoencoderTiny:
    """A tiny autoencoder whose random pictures are neither black nor white."""
    torch.manual_seed(6)
    sizes = {"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4}
    tiny = AutoencoderTiny(**{**sizes, **changes})
    with torch.no_grad():
        last = tiny.decoder.layers[-1]
        last.weight.mul_(12)
        last.bias.fill_(0.5)
        tiny.encoder.layers[-1].weight.mul_(8)
    return tiny


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose own autoencoder scales its latents, as Stable Diffusion's does."""
    folder = save_loud(tmp_path_factory.mktemp("source") / "loud")
    config = folder / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_bytes()) | {"scaling_factor": 0.18215}))
    return folder


def save_tiny(folder: Path, *, decoder_only: bool = False) -> Path:
    small().save_pretrained(folder)
    if decoder_only:
        weights = load_file(folder / WEIGHTS)
        kept = {name: one for name, one in weights.items() if name.startswith("decoder.")}
        save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    return folder


def compared(bundle: Path, manifest: Manifest, source: Path, say: Any) -> None:
    check_parity(bundle, manifest, source, say)


def built(source: Path, vae: Path, bundle: Path, precision: Any = "fp32") -> Pipeline:
    build(source, bundle, precision=precision, additions=Additions(vae=vae), verify=compared)
    return Pipeline(bundle, precision="f32", plan=Plan(threads=1))


def theirs(source: Path, vae: Any = None) -> StableDiffusionPipeline:
    pipeline = load(source)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    if vae is not None:
        pipeline = StableDiffusionPipeline(
            **pipeline.components | {"vae": vae}, requires_safety_checker=False
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def ours(pipeline: Pipeline, begin: Begin | Picture = NOISE) -> np.ndarray:
    engine = Engine.of_one(pipeline, row_limit=2)
    ticket = engine.submit(row_request(
        prompt=PROMPT, width=SIDE, height=SIDE, steps=STEPS, guidance_scale=3.0,
        scheduler="ddim", seed=SEED, begin=begin,
    ))  # fmt: skip
    engine.start()
    try:
        return ticket.result(PATIENCE).image
    finally:
        engine.close()


ASKED = {"prompt": PROMPT, "num_inference_steps": STEPS, "guidance_scale": 3.0}


def drawn(pipeline: Any, **asked: Any) -> Any:
    generator = torch.Generator().manual_seed(SEED)
    return pipeline(**ASKED, generator=generator, **asked).images


def same(found: np.ndarray, wanted: Any) -> bool:
    wanted = np.asarray(wanted)
    assert wanted.std() > 10, "a picture that shows something"
    return likeness(found, wanted) >= SAME_AS_DIFFUSERS_DB


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(pixels.repeat(SIDE // 8, axis=0).repeat(SIDE // 8, axis=1))


def test_texts_pictures_and_masks_are_what_diffusers_draws_with_it(
    source: Path, picture: Image.Image, tmp_path: Path
):
    tiny = save_tiny(tmp_path / "taesd")
    pipeline = built(source, tiny, tmp_path / "bundle")
    reference = theirs(source, AutoencoderTiny.from_pretrained(tiny))
    assert same(ours(pipeline), drawn(reference, width=SIDE, height=SIDE)[0])
    plain = drawn(theirs(source), width=SIDE, height=SIDE)[0]
    assert not same(ours(pipeline), plain), "the model's own autoencoder makes others"
    parts = {**reference.components, "requires_safety_checker": False}
    changing = diffusers.StableDiffusionImg2ImgPipeline(**parts)
    begin = Picture(pixels=np.asarray(picture), strength=0.6)
    assert same(ours(pipeline, begin), drawn(changing, image=picture, strength=0.6)[0])
    hole = np.zeros((SIDE, SIDE), np.uint8)
    hole[16:48, 24:56] = 255
    masked = Picture(pixels=np.asarray(picture), strength=0.75,
                     mask=np.float32(hole[None, ::8, ::8] / 255))  # fmt: skip
    filling = diffusers.StableDiffusionInpaintPipeline(**parts)
    wanted = drawn(filling, image=picture, mask_image=Image.fromarray(hole), strength=0.75,
                   width=SIDE, height=SIDE)[0]  # fmt: skip
    assert same(ours(pipeline, masked), wanted)


def test_a_decoder_alone_leaves_encoding_to_the_models_own(
    source: Path, picture: Image.Image, tmp_path: Path
):
    tiny = save_tiny(tmp_path / "decoder", decoder_only=True)
    pipeline = built(source, tiny, tmp_path / "bundle", "fp16")
    decoder = small()
    own = theirs(source)
    assert same(ours(pipeline), drawn(theirs(source, decoder), width=SIDE, height=SIDE)[0])
    changing = diffusers.StableDiffusionImg2ImgPipeline(
        **own.components, requires_safety_checker=False
    )
    changing.set_progress_bar_config(disable=True)
    latents = drawn(changing, image=picture, strength=0.6, output_type="latent")
    with torch.no_grad():
        decoded = decoder.decode(latents).sample
    (wanted,) = changing.image_processor.postprocess(decoded, output_type="pil")
    assert same(ours(pipeline, Picture(pixels=np.asarray(picture), strength=0.6)), wanted)


def test_single_files_are_read_in_diffusers_layout_and_in_the_original_one(
    source: Path, tmp_path: Path
):
    torch.manual_seed(1)
    tiny = AutoencoderTiny()
    weights = {name: one.contiguous() for name, one in tiny.state_dict().items()}
    save_file(weights, tmp_path / "taesd.safetensors")
    # TAESD's own code clamps in a first layer that diffusers does not count.
    original = {
        re.sub(r"^decoder\.layers\.(\d+)", lambda found: str(int(found[1]) + 1), name): one
        for name, one in weights.items()
        if name.startswith("decoder.")
    }
    save_file(original, tmp_path / "taesd_decoder.safetensors")
    for name, part in (("taesd", "vae"), ("taesd_decoder", "tiny_decoder")):
        folder = tmp_path / f"{name}-model"
        folder.mkdir()
        prepare(source, Additions(vae=tmp_path / f"{name}.safetensors"), folder, Silent())
        found = AutoencoderTiny.from_pretrained(folder / part).state_dict()
        for layer in (one for one in weights if one.startswith("decoder.")):
            assert torch.equal(found[layer], weights[layer])
    assert isinstance(load(tmp_path / "taesd-model").vae, AutoencoderTiny)
    del original["1.weight"]
    save_file(original, tmp_path / "cut.safetensors")
    (tmp_path / "cut").mkdir()
    with pytest.raises(BundleError, match="no tiny autoencoder of TAESD's usual size"):
        prepare(source, Additions(vae=tmp_path / "cut.safetensors"), tmp_path / "cut", Silent())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"latent_channels": 16}, "for latents of 16 channels, and this model's UNet draws 4"),
        (
            {"decoder_block_out_channels": (8,) * 3, "num_decoder_blocks": (1, 1, 1)},
            "makes 4 pixels along each side of a latent, and this model's own 8",
        ),
    ],
)
def test_a_tiny_autoencoder_for_other_latents_is_refused_and_nothing_is_left(
    source: Path, tmp_path: Path, changes: dict[str, Any], says: str
):
    small(**changes).save_pretrained(tmp_path / "other")
    with pytest.raises(BundleError, match=says):
        build(source, tmp_path / "bundle", additions=Additions(vae=tmp_path / "other"))
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_it_is_quantised_and_compared(source: Path, tmp_path: Path):
    tiny = save_tiny(tmp_path / "taesd")
    manifest = build(source, tmp_path / "bundle", precision="fp16", vae="int8",
                     additions=Additions(vae=tiny), verify=compared)  # fmt: skip
    assert manifest.vae_quantisation
    first, last = manifest.vae_quantisation.kept
    assert ".decoder.layers.0/" in first
    # OpenVINO folds what scales pixels from 0 and 1 to -1 and 1 into the last convolution.
    assert last.endswith(".decoder/aten::sub/Subtract")
