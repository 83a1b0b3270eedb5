"""What a bundle is computed in: what it was built for, unless the settings name something else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from bundles.manifest_file import load_manifest, save_manifest
from bundles.plan import Plan
from core.settings import Settings
from modelkit.export.build import build
from worker.compiler import Compiler
from worker.pipeline import Pipeline, load_pipeline
from worker.precision import NEAR_DB, Choice
from worker.precision_trial import measure

Compiled = Callable[..., list[str]]

ABILITIES = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")

BF16 = "bf16" if "BF16" in ABILITIES else "f32"
"""What a model that is to be computed in BF16 is compiled to on this CPU."""


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """Load a bundle; give the precisions of text encoder, decoder and UNet as compiled."""
    compile_model = Compiler.compile
    seen: list[str] = []

    def observe(self, model, properties):
        model = compile_model(self, model, properties)
        seen.append(model.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        return model

    monkeypatch.setattr(Compiler, "compile", observe)

    def load(bundle: Path, **settings: str) -> list[str]:
        seen.clear()
        load_pipeline(bundle, Settings(home=tmp_path / "home", **settings), Plan())
        return seen.copy()

    return load


def test_an_fp32_bundle_is_computed_in_fp32(bundle: Path, compiled: Compiled):
    assert load_manifest(bundle).precision == "fp32"
    assert compiled(bundle) == ["f32", "f32", "f32"]


def test_a_bf16_bundle_is_computed_in_bf16_where_the_cpu_has_it(
    microscopic: Path, tmp_path: Path, compiled: Compiled
):
    build(microscopic, tmp_path / "bf16", precision="bf16")
    assert compiled(tmp_path / "bf16") == ["f32", BF16, BF16]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_other_precisions_are_of_the_weights_alone(
    bundle: Path, tmp_path: Path, compiled: Compiled, precision: str
):
    """They are computed in what was measured, where this CPU can compute in less than FP32."""
    other = tmp_path / "described"
    other.mkdir()
    for part in bundle.iterdir():
        (other / part.name).symlink_to(part)
    (other / "manifest.json").unlink()
    save_manifest(load_manifest(bundle).model_copy(update={"precision": precision}), other)
    first = compiled(other)
    kept = list((tmp_path / "home" / "precisions").glob("*.json"))
    assert len(kept) == (1 if {"BF16", "FP16"} & set(ABILITIES) else 0)
    chosen = ("f32", "f32")
    if kept:
        choice = Choice.model_validate_json(kept[0].read_bytes())
        chosen = (choice.decoder, choice.unet)
    assert first[-3:] == ["f32", *chosen]
    assert compiled(other) == ["f32", *chosen], "nothing is measured again"


def test_a_precision_is_measured_on_unet_and_decoder(bundle: Path, tmp_path: Path):
    trial = measure(bundle, ["f32", "bf16"], settings=Settings(home=tmp_path, bundle=bundle))
    for measured in (trial.unet, trial.decoder):
        assert list(measured) == ["f32", "bf16"]
        assert all(one.seconds > 0 for one in measured.values())
        assert measured["f32"].decibels is None
        # Where the CPU has no BF16, OpenVINO computes in FP32 instead, and the outputs are equal.
        assert (measured["bf16"].decibels or 0) > (100 if BF16 == "f32" else NEAR_DB)


def test_unet_and_decoder_are_compiled_in_what_was_chosen_for_each(bundle: Path):
    seen = {}
    for unet, decoder in (("f32", "bf16"), ("bf16", "f32")):
        pipeline = Pipeline(bundle, precision=unet, decoder_precision=decoder, plan=Plan())
        latents = np.random.default_rng(0).standard_normal((1, 4, 4, 4), dtype=np.float32)
        seen[decoder] = pipeline.decode(latents).astype(np.int16)
        assert pipeline.precision == unet
    assert np.array_equal(seen["f32"], seen["bf16"]) == (BF16 == "f32")


def test_the_setting_is_stronger_than_the_bundle(bundle: Path, compiled: Compiled):
    assert compiled(bundle, inference_precision="bf16") == ["f32", BF16, BF16]


def test_compiled_models_are_kept_in_the_home_folder_wherever_that_is(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    load_pipeline(bundle, Settings(home=Path("~/packshot")), Plan())
    assert [path.name for path in tmp_path.iterdir()] == ["packshot"]
    assert list((tmp_path / "packshot" / "compiled").glob("*/*.blob"))
