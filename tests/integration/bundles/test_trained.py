"""INT8 bundles: of a UNet that was trained to be one, and of one that was calibrated."""

from functools import partial
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from bundles.graphs import cut
from bundles.manifest import TokenMergingPlan
from bundles.manifest_file import load_manifest
from core.errors import BundleError
from modelkit.export.build import build
from modelkit.export.unet import DEEP, deep_point
from modelkit.progress import Silent
from modelkit.training.device import choose_device
from modelkit.training.quantise import train_quantised
from modelkit.training.quantised import trained_unet
from modelkit.training.recipe import TrainingRecipe
from tests.conftest import knowing_int8
from tests.support.microscopic import save_microscopic
from worker.model import StepInputs, stack
from worker.pipeline import Pipeline

PLAN = TokenMergingPlan(ratios=(0.5,))


@pytest.fixture(scope="module")
def trained(microscopic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "unet"
    train_quantised(
        microscopic,
        out,
        plan=PLAN,
        recipe=TrainingRecipe(steps=1, batch=2, learning_rate=1e-4, average_decay=0.5),
        device=choose_device("cpu", mixed=False),
        resume=False,
        say=Silent(),
        calibration_calls=2,
    )
    return out


def quantised_layers(bundle: Path) -> int:
    """Count weights that are stored as INT8."""
    model = ov.Core().read_model(bundle / "unet" / "openvino_model.xml")
    return sum(
        node.get_type_name() == "Constant"
        and node.get_element_type() == ov.Type.i8
        and len(node.get_output_shape(0)) > 1
        for node in model.get_ops()
    )


def predict(bundle: Path) -> np.ndarray:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((2, 4, 8, 6), dtype=np.float32)
    pipeline = Pipeline(bundle, precision="f32")
    texts = stack(pipeline.encode(["a red mug", "a blue lamp"]))
    inputs = StepInputs(samples=samples, timesteps=[3.0, 700.0], conditioning=texts)
    return pipeline.predict(inputs)[0]


def test_a_trained_unet_becomes_a_bundle(microscopic: Path, trained: Path, tmp_path: Path):
    manifest = build(microscopic, tmp_path / "qat", precision="int8-qat", unet=trained)
    assert manifest.precision == "int8"
    assert manifest.token_merging == PLAN
    assert manifest.quantisation is not None
    assert manifest.quantisation.method == "qat"
    assert quantised_layers(tmp_path / "qat") > 20
    build(microscopic, tmp_path / "whole", precision="fp32", token_merging=PLAN)
    whole = predict(tmp_path / "whole")
    error = np.sqrt(np.mean((predict(tmp_path / "qat") - whole) ** 2))
    assert 0 < error < 0.2 * whole.std()


def test_a_trained_unet_is_cut_for_deepcache(trained: Path):
    whole = trained_unet(trained, partial(deep_point, branch=0))
    shallow = cut(whole, takes=[DEEP], leaves=())
    assert "FakeQuantize" in {op.get_type_name() for op in shallow.get_ops()}
    assert len(shallow.get_ops()) < len(whole.get_ops()) / 2
    rng = np.random.default_rng(0)
    values = {
        "sample": rng.standard_normal((2, 4, 8, 6), dtype=np.float32),
        "timestep": np.array([3.0, 700.0], np.float32),
        "encoder_hidden_states": rng.standard_normal((2, 77, 16), dtype=np.float32),
    }
    core = ov.Core()
    seen = core.compile_model(whole, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(values)
    given = values | {DEEP: seen[DEEP]}
    again = core.compile_model(shallow, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(given)
    np.testing.assert_allclose(again["out_sample"], seen["out_sample"], atol=1e-4)


def test_a_trained_unet_belongs_to_its_model(trained: Path, tmp_path: Path):
    other = save_microscopic(tmp_path / "other", seed=1)
    with pytest.raises(BundleError, match=r"trained from another model \(tiny\)"):
        build(other, tmp_path / "qat", precision="int8-qat", unet=trained)


def test_a_trained_unet_merges_as_it_has_learned(microscopic: Path, trained: Path, tmp_path: Path):
    with pytest.raises(BundleError, match="learned to merge tokens in another way"):
        build(
            microscopic,
            tmp_path / "qat",
            precision="int8-qat",
            unet=trained,
            token_merging=TokenMergingPlan(ratios=(0.3,)),
        )


def test_a_folder_without_a_trained_unet(microscopic: Path, tmp_path: Path):
    with pytest.raises(BundleError, match="no trained UNet at"):
        build(microscopic, tmp_path / "qat", precision="int8-qat", unet=tmp_path)


def test_a_calibrated_unet_becomes_a_bundle(microscopic: Path, tmp_path: Path):
    source = knowing_int8(microscopic, tmp_path / "source")
    manifest = build(source, tmp_path / "int8", precision="int8", token_merging=PLAN)
    assert manifest == load_manifest(tmp_path / "int8")
    assert (manifest.precision, manifest.token_merging) == ("int8", PLAN)
    assert manifest.quantisation is not None
    assert (manifest.quantisation.method, manifest.quantisation.samples > 0) == ("ptq", True)
    assert quantised_layers(tmp_path / "int8") > 10
    assert {path.name for path in tmp_path.iterdir()} == {"int8", "source"}
    assert np.isfinite(predict(tmp_path / "int8")).all()
