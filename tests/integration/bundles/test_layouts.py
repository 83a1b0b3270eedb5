"""Bundles and the Hub's OpenVINO layout are the same, both ways."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from diffusers import StableDiffusionPipeline

from bundles.manifest import TokenMergingPlan
from bundles.manifest_file import load_manifest
from bundles.plan import Plan
from core.errors import BundleError
from core.settings import Settings
from modelkit.export import resources
from modelkit.export.build import build
from tests.integration.model.conftest import psnr
from worker.model import HIDDEN_STATES, StepInputs, stack
from worker.pipeline import Pipeline, load_pipeline

DRAW = {
    "prompt": "a red mug",
    "num_inference_steps": 3,
    "guidance_scale": 3.0,
    "width": 48,
    "height": 32,
    "output_type": "np",
}


def draw(pipeline) -> np.ndarray:
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline(**DRAW, generator=torch.Generator().manual_seed(0)).images[0]
    return np.round(np.asarray(image) * 255).astype(np.uint8)


@pytest.mark.filterwarnings("ignore")
def test_optimum_loads_a_bundle_and_draws_what_diffusers_draws(bundle: Path, microscopic: Path):
    from optimum.intel import OVStableDiffusionPipeline

    ours = OVStableDiffusionPipeline.from_pretrained(
        bundle, export=False, ov_config={"INFERENCE_PRECISION_HINT": "f32"}
    )
    theirs = StableDiffusionPipeline.from_pretrained(microscopic, torch_dtype=torch.float32)
    assert psnr(draw(ours), draw(theirs)) >= 50


def test_a_converted_model_becomes_a_bundle_of_the_same_models(converted: Path, tmp_path: Path):
    manifest = build(converted, tmp_path / "adopted", name="adopted")
    assert manifest == load_manifest(tmp_path / "adopted")
    assert (manifest.name, manifest.source, manifest.precision) == ("adopted", "tiny-ov", "fp32")
    assert manifest.defaults.width == 32
    assert [path.name for path in tmp_path.iterdir()] == ["adopted"]
    for part in ("text_encoder", "unet", "vae_decoder", "vae_encoder"):
        theirs, ours = (
            folder / part / "openvino_model.bin" for folder in (converted, tmp_path / "adopted")
        )
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_worker_loads_what_was_adopted(converted: Path, bundle: Path, tmp_path: Path):
    """And it computes what the same model computes that packshot converted itself."""
    build(converted, tmp_path / "adopted")
    adopted = load_pipeline(tmp_path / "adopted", Settings(home=tmp_path / "home"), Plan())
    assert adopted.revision == load_manifest(tmp_path / "adopted").revision
    assert adopted.per_row_timesteps
    plain, own = Pipeline(converted, precision="f32"), Pipeline(bundle, precision="f32")
    prompts = ["a red mug", "a blue lamp"]
    texts = stack(adopted.encode(prompts))
    samples = np.random.default_rng(0).standard_normal((2, 4, 4, 6), dtype=np.float32)
    inputs = StepInputs(samples=samples, timesteps=[10.0, 900.0], conditioning=texts)
    predicted, _ = adopted.predict(inputs)
    for other in (plain, own):
        encoded = stack(other.encode(prompts))[HIDDEN_STATES]
        np.testing.assert_allclose(encoded, texts[HIDDEN_STATES], atol=1e-4)
        again, _ = other.predict(inputs)
        np.testing.assert_allclose(again, predicted, atol=1e-4)
        assert psnr(other.decode(samples), adopted.decode(samples)) >= 50


def test_without_a_manifest_it_is_said_how_to_get_one(converted: Path, tmp_path: Path):
    with pytest.raises(BundleError, match=rf"`packshot model build {converted} --name NAME`"):
        load_pipeline(converted, Settings(home=tmp_path), Plan())


def test_an_adopted_model_that_came_in_links_is_no_link(converted: Path, tmp_path: Path):
    """The Hub's cache keeps links to its files, which a later clearing would break."""
    linked = tmp_path / "linked"
    shutil.copytree(converted, linked, copy_function=os.symlink)
    build(linked, tmp_path / "adopted")
    assert not [path for path in (tmp_path / "adopted").rglob("*") if path.is_symlink()]


def no_link(*_: object) -> None:
    raise OSError(errno.EXDEV, "on another file system")


def test_a_model_that_must_be_copied_needs_the_disk(converted: Path, tmp_path: Path, monkeypatch):
    size = sum(
        (converted / part / f"openvino_model.{kind}").stat().st_size
        for part in ("text_encoder", "unet", "vae_decoder", "vae_encoder")
        for kind in ("xml", "bin")
    )
    monkeypatch.setattr(resources, "free_disk", lambda folder: size - 1)
    build(converted, tmp_path / "linked")  # What is linked takes none.
    monkeypatch.setattr(os, "link", no_link)
    with pytest.raises(BundleError, match=r"To copy the models .* of disk"):
        build(converted, tmp_path / "copied")
    assert [path.name for path in tmp_path.iterdir()] == ["linked"]
    monkeypatch.setattr(resources, "free_disk", lambda folder: size)
    build(converted, tmp_path / "copied")
    assert (tmp_path / "copied" / "unet" / "openvino_model.bin").stat().st_nlink == 1


def test_the_precision_of_weights_is_found_out(converted: Path, tmp_path: Path):
    source = shutil.copytree(converted, tmp_path / "halves")
    model = ov.Core().read_model(converted / "unet" / "openvino_model.xml")
    ov.save_model(model, source / "unet" / "openvino_model.xml", compress_to_fp16=True)
    assert build(source, tmp_path / "adopted").precision == "fp16"


def test_a_bundle_under_another_name_keeps_what_is_known_of_it(bundle: Path, tmp_path: Path):
    before = load_manifest(bundle)
    manifest = build(bundle, tmp_path / "copy", name="copy", size=(64, 64))
    defaults = before.defaults.model_copy(update={"width": 64, "height": 64})
    assert manifest == before.model_copy(update={"name": "copy", "defaults": defaults})
    assert load_manifest(tmp_path / "copy") == manifest


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "int8"},
        {"token_merging": TokenMergingPlan(ratios=(0.5,))},
        {"unet": Path("trained")},
        {"vae": "int8"},
    ],
)
def test_a_converted_model_is_not_converted_again(converted: Path, tmp_path: Path, options):
    with pytest.raises(BundleError, match=r"converted already.*give the original model"):
        build(converted, tmp_path / "adopted", **options)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("text_encoder/openvino_model.xml", "is missing: give a complete folder"),
        ("vae_decoder/config.json", "is missing. Give a complete"),
        ("unet/openvino_model.bin", "cannot be read"),
        ("tokenizer", "tokenizer"),
    ],
)
def test_a_converted_model_with_a_part_missing(
    converted: Path, tmp_path: Path, path: str, sentence: str
):
    source = shutil.copytree(converted, tmp_path / "broken")
    target = source / path
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(BundleError, match=sentence):
        build(source, tmp_path / "adopted")
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


def test_fixed_shapes_are_refused(converted: Path, tmp_path: Path):
    source = shutil.copytree(converted, tmp_path / "fixed")
    model = ov.Core().read_model(converted / "unet" / "openvino_model.xml")
    model.reshape({"sample": [2, 4, 4, 4], "encoder_hidden_states": [2, 77, 16], "timestep": [1]})
    ov.save_model(model, source / "unet" / "openvino_model.xml")
    with pytest.raises(BundleError, match="has fixed shapes"):
        build(source, tmp_path / "adopted")


def test_another_size_of_a_converted_model(converted: Path, tmp_path: Path):
    manifest = build(converted, tmp_path / "wide", size=(64, 32))
    assert (manifest.defaults.width, manifest.defaults.height) == (64, 32)
    with pytest.raises(BundleError, match="multiple of 16"):
        build(converted, tmp_path / "odd", size=(65, 32))


def test_an_older_optimum_named_its_own_classes(converted: Path, tmp_path: Path):
    source = shutil.copytree(converted, tmp_path / "old")
    index = json.loads((source / "model_index.json").read_text())
    index["_class_name"] = "OVStableDiffusionPipeline"
    (source / "model_index.json").write_text(json.dumps(index))
    build(source, tmp_path / "adopted")
