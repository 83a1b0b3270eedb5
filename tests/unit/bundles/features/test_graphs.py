"""Variants cut out of a UNet compute what the whole one computes."""

from functools import partial

import numpy as np
import openvino as ov
import pytest
import torch
from diffusers import UNet2DConditionModel

from bundles.graphs import cut, feature_shapes, total_work
from bundles.manifest import TokenMergingPlan
from core.errors import BundleError
from modelkit.export.unet import DEEP, deep_point, trace_unet, transformer_points
from modelkit.token_merging import merge_tokens

SIDE = 8


def small(*, linear: bool) -> UNet2DConditionModel:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=SIDE,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(8, 16),
        attention_head_dim=2,
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=6,
        use_linear_projection=linear,
    )
    return merge_tokens(unet.eval(), TokenMergingPlan(ratios=(0.5,)))


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return small(linear=False)


@pytest.fixture(scope="module")
def wholes(unet) -> dict[int, ov.Model]:
    """The UNet with the feature of each branch as an output."""
    return {branch: trace_unet(unet, partial(deep_point, branch=branch)) for branch in range(4)}


@pytest.fixture(scope="module", params=[False, True], ids=["conv", "linear projection"])
def blocks(request) -> ov.Model:
    """The UNet with each transformer's part as an output."""
    return trace_unet(small(linear=request.param), transformer_points)


def inputs(rows: int = 2, side: int = SIDE) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "sample": rng.standard_normal((rows, 4, side, side + 1)).astype(np.float32),
        "timestep": np.linspace(20, 900, rows).astype(np.float32),
        "encoder_hidden_states": rng.standard_normal((rows, 5, 6)).astype(np.float32),
    }


def compiled(model: ov.Model) -> ov.CompiledModel:
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def run(compiled: ov.CompiledModel, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = compiled(values)
    return {port.get_any_name(): found[port].copy() for port in compiled.outputs}


def weights(model: ov.Model) -> int:
    return sum(op.get_byte_size() for op in model.get_ops() if op.get_type_name() == "Constant")


@pytest.mark.parametrize("branch", [0, 2])
def test_a_shallow_unet_predicts_what_the_whole_one_does(wholes, branch: int):
    whole = compiled(wholes[branch])
    shallow = compiled(cut(wholes[branch], takes=[DEEP], leaves=()))
    for values in (inputs(), inputs(rows=3, side=5)):
        seen = run(whole, values)
        again = run(shallow, values | {DEEP: seen[DEEP]})
        assert list(again) == ["out_sample"]
        np.testing.assert_allclose(again["out_sample"], seen["out_sample"], atol=1e-5)
        other = run(shallow, values | {DEEP: seen[DEEP] + 1})
        assert not np.allclose(other["out_sample"], seen["out_sample"], atol=1e-3)


def test_a_deeper_branch_leaves_more_of_the_unet(wholes):
    whole = list(wholes.values())
    shallow = [cut(model, takes=[DEEP], leaves=()) for model in whole]
    shapes = {name: value.shape for name, value in inputs(rows=1).items()}
    works = [
        total_work(model, shapes | feature_shapes(origin, shapes)) / total_work(origin, shapes)
        for model, origin in zip(shallow, whole, strict=True)
    ]
    sizes = [weights(model) for model in shallow]
    assert 0 < works[0] < 0.4
    assert works == sorted(works)
    assert works[-1] < 1
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.3 * weights(whole[0])


def test_a_unet_gives_the_same_with_features_and_without(unet, wholes):
    plain = run(compiled(trace_unet(unet)), inputs())
    whole = run(compiled(wholes[0]), inputs())
    np.testing.assert_allclose(whole["out_sample"], plain["out_sample"], atol=1e-6)


def test_some_blocks_are_taken_while_others_are_computed(blocks):
    whole = blocks
    names = [port.get_any_name() for port in whole.outputs[1:]]
    assert len(names) == 4
    seen = run(compiled(whole), inputs())
    variant = cut(whole, takes=names[:2], leaves=names[2:])
    again = run(compiled(variant), inputs() | {name: seen[name] for name in names[:2]})
    assert list(again) == ["out_sample", *names[2:]]
    for name, value in again.items():
        np.testing.assert_allclose(value, seen[name], atol=1e-5)
    assert len(variant.get_ops()) < len(whole.get_ops())
    assert [port.get_any_name() for port in whole.outputs[1:]] == names, "the whole one stays"


def test_work_is_counted_as_multiplications():
    linear = torch.nn.Linear(6, 10, bias=False)
    model = ov.convert_model(linear, example_input=torch.zeros(4, 6), input=[4, 6])
    assert total_work(model, {model.inputs[0].get_any_name(): [4, 6]}) == 4 * 6 * 10


@pytest.mark.usefixtures("wholes")
def test_hooks_do_not_stay(unet):
    assert not any(module._forward_hooks for module in unet.modules())


def test_a_branch_that_the_unet_has_not(unet):
    with pytest.raises(BundleError, match=r"no branch 4 .* from 0 to 3"):
        deep_point(unet, 4)


def test_a_unet_without_transformers():
    plain = UNet2DConditionModel(
        down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), mid_block_type=None,
        block_out_channels=(8,), norm_num_groups=4, cross_attention_dim=6,
    )  # fmt: skip
    with pytest.raises(BundleError, match="build it with --deepcache"):
        transformer_points(plain)
