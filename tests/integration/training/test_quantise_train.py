"""Quantisation-aware training, from a diffusers folder to an OpenVINO model."""

import openvino as ov
import pytest
import torch

from bundles.manifest import TokenMergingPlan
from core.errors import BundleError
from modelkit.export.source import content_hash
from modelkit.progress import Silent
from modelkit.training.device import choose_device
from modelkit.training.models import load_unet
from modelkit.training.quantise import train_quantised
from modelkit.training.quantised import KEPT, load_quantised, trained_unet
from modelkit.training.record import load_record
from tests.int8 import exact_int8
from tests.integration.training.conftest import Interrupted

PLAN = TokenMergingPlan(ratios=(0.5,))
STAGE = "train the INT8 UNet"


@pytest.fixture(scope="module")
def trained(microscopic, tmp_path_factory):
    """A folder that a whole training left."""
    from modelkit.training.recipe import TrainingRecipe

    out = tmp_path_factory.mktemp("trained") / "unet"
    train_quantised(
        microscopic,
        out,
        plan=PLAN,
        recipe=TrainingRecipe(steps=3, batch=4, learning_rate=1e-3, average_decay=0.5,
                      gradient_checkpointing=True),
        device=choose_device("cpu", mixed=False),
        resume=False,
        say=Silent(),
        calibration_calls=2,
    )  # fmt: skip
    return out


def train(source, out, recipe, *, plan=None, resume=False, say=None):
    device = choose_device("cpu", mixed=False)
    return train_quantised(
        source, out, plan=plan, recipe=recipe, device=device, resume=resume, say=say or Silent(),
        calibration_calls=2,
    )  # fmt: skip


def test_the_folder_says_what_it_is(trained, microscopic):
    record = load_record(trained)
    assert record.source == microscopic.name
    assert record.unet == content_hash(microscopic / "unet", {})
    assert record.token_merging == PLAN
    assert record.quantisation.method == "qat"
    assert record.quantisation.kept == KEPT
    assert record.steps == 3
    assert [path.name for path in trained.parent.iterdir()] == ["unet"]


def test_weights_and_ranges_have_learned(trained, microscopic):
    before = dict(load_unet(microscopic).named_parameters())
    after = dict(load_quantised(trained, PLAN).named_parameters())
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(moved) > 0.9 * len(before)


@pytest.fixture(scope="module")
def model(trained):
    return trained_unet(trained)


def test_openvino_gets_int8_weights_and_open_dimensions(model):
    assert [port.get_any_name() for port in model.inputs] == [
        "sample", "timestep", "encoder_hidden_states",
    ]  # fmt: skip
    assert [port.get_any_name() for port in model.outputs] == ["out_sample"]
    assert all(port.get_partial_shape()[0].is_dynamic for port in model.inputs)
    nodes = model.get_ops()
    constants = [node for node in nodes if node.get_type_name() == "Constant"]
    assert sum(node.get_element_type() == ov.Type.i8 for node in constants) > 20
    assert any(node.get_type_name() == "FakeQuantize" for node in nodes)


def test_openvino_predicts_what_was_trained_at_any_size(trained, model, inputs):
    unet = load_quantised(trained, PLAN)
    compiled = ov.Core().compile_model(model, "CPU", exact_int8())
    for rows, side in ((3, 8), (1, 6), (2, 7)):
        part = {name: value[:rows] for name, value in inputs.items()}
        part["sample"] = part["sample"][..., :side, :side]
        got = torch.from_numpy(
            compiled({name: value.numpy() for name, value in part.items()})["out_sample"]
        )
        wanted = unet(**part, return_dict=False)[0]
        # A value at the edge between two levels falls to either side, and moves what follows.
        assert (got - wanted).square().mean() < 0.005 * wanted.square().mean()


def test_an_interrupted_training_goes_on(microscopic, tmp_path, recipe):
    out = tmp_path / "unet"
    with pytest.raises(KeyboardInterrupt):
        train(microscopic, out, recipe(steps=6), say=Interrupted(STAGE, 2))
    assert not out.exists()
    with pytest.raises(BundleError, match="go on with it by --resume"):
        train(microscopic, out, recipe(steps=6))
    with pytest.raises(BundleError, match="begun with another token merging"):
        train(microscopic, out, recipe(steps=6), plan=PLAN, resume=True)
    assert train(microscopic, out, recipe(steps=6), resume=True).steps == 6
    assert [path.name for path in tmp_path.iterdir()] == ["unet"]


def test_mixed_precision_trains_too(microscopic, tmp_path, recipe):
    device = choose_device("cpu")
    record = train_quantised(
        microscopic, tmp_path / "unet", plan=None, recipe=recipe(steps=1), device=device,
        resume=False, say=Silent(), calibration_calls=2,
    )  # fmt: skip
    assert record.loss > 0


def test_a_result_is_not_overwritten(trained, microscopic, recipe):
    with pytest.raises(BundleError, match="exists: choose another folder with --out"):
        train(microscopic, trained, recipe())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no trained UNet at"),
        ("{", "cannot be read"),
        ('{"format": 2}', "upgrade packshot, or train the UNet again"),
        ('{"format": 1}', "is damaged"),
    ],
)
def test_a_folder_that_is_no_trained_unet(tmp_path, content, message):
    if content is not None:
        (tmp_path / "training.json").write_text(content)
    with pytest.raises(BundleError, match=message):
        trained_unet(tmp_path)
