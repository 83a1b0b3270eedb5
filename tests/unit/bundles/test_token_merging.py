"""Token Merging against the algorithm written down once more, plainly: a loop over every token."""

from fractions import Fraction

import numpy as np
import openvino as ov
import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from bundles.manifest import TokenMergingPlan
from core.errors import BundleError
from modelkit.export.conversion import DYNAMIC, convert
from modelkit.export.unet import trace_unet
from modelkit.token_merging import merge_tokens, restore_tokens, smallest_sample

TEXT = 12
"""Features of the text."""

GRIDS = [(8, 8), (4, 6), (7, 5), (5, 4), (1, 9), (3, 3)]


def build_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(8, 16),
        attention_head_dim=2,
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=TEXT,
    ).eval()


def inputs(*shape: int, seed: int = 0) -> dict[str, Tensor]:
    """Samples of a shape, each with its timestep and text."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "sample": torch.randn(*shape, generator=generator),
        "timestep": torch.rand(shape[0], generator=generator) * 999,
        "encoder_hidden_states": torch.randn(shape[0], 5, TEXT, generator=generator),
    }


def reference_groups(states: Tensor, height: int, width: int, ratio: float) -> list[list[int]]:
    """Group the tokens (tokens, channels) of one image; the first of each group is its own place.

    Bolya & Hoffman 2023, section 3, with the top left token of each 2 x 2 cell as destination.
    Where the cells at the edge are not whole every token stays alone.
    """
    if height % 2 or width % 2:
        return [[token] for token in range(height * width)]
    places = [(row, column) for row in range(height) for column in range(width)]
    destinations = [token for token, (row, column) in enumerate(places) if not row % 2 | column % 2]
    sources = [token for token in range(len(places)) if token not in destinations]
    best = {}
    for source in sources:
        cosines = [
            functional.cosine_similarity(states[source], states[other], dim=0).item()
            for other in destinations
        ]
        best[source] = (max(cosines), destinations[cosines.index(max(cosines))])
    amount = int(len(places) * Fraction(str(ratio)))
    merged = sorted(sources, key=lambda source: -best[source][0])[:amount]
    groups = {token: [token] for token in range(len(places)) if token not in merged}
    for source in merged:
        groups[best[source][1]].append(source)
    return list(groups.values())


def reference_layer(layer, states: Tensor, groups: list[list[list[int]]], mode: str) -> Tensor:
    """Run a layer on merged tokens, row by row; each member of a group gets its output."""
    rows = []
    for row, tokens in zip(states, groups, strict=True):
        merged = [row[group].mean(0) if mode == "mean" else row[group[0]] for group in tokens]
        output = layer(torch.stack(merged)[None], len(rows))[0]
        full = torch.empty_like(row)
        for group, value in zip(tokens, output, strict=True):
            full[group] = value
        rows.append(full)
    return torch.stack(rows)


def reference_block(block, states: Tensor, text: Tensor, grid, ratio: float, plan) -> Tensor:
    """A transformer block with merging, of its own layers."""

    def attend(tokens: Tensor, row: int) -> Tensor:
        return block.attn2(tokens, encoder_hidden_states=text[row : row + 1])

    normed = block.norm1(states)
    groups = [reference_groups(row, *grid, ratio) for row in normed]
    one = [[[token] for token in range(states.shape[1])]] * len(states)
    states = states + reference_layer(lambda x, _: block.attn1(x), normed, groups, plan.mode)
    here = groups if plan.cross_attention else one
    states = states + reference_layer(attend, block.norm2(states), here, plan.mode)
    here = groups if plan.mlp else one
    return states + reference_layer(lambda x, _: block.ff(x), block.norm3(states), here, plan.mode)


class ReferenceBlock(nn.Module):
    """Stands in a UNet for one of its blocks."""

    def __init__(self, block: nn.Module, ratio: float, plan: TokenMergingPlan) -> None:
        super().__init__()
        self.block, self.ratio, self.plan = block, ratio, plan
        self.grid = (0, 0)

    def forward(self, states: Tensor, encoder_hidden_states: Tensor, **_: object) -> Tensor:
        return reference_block(
            self.block, states, encoder_hidden_states, self.grid, self.ratio, self.plan
        )


def reference_unet(plan: TokenMergingPlan) -> UNet2DConditionModel:
    unet = build_unet()
    levels = zip(plan.ratios, (0, 1), strict=False)
    for ratio, level in levels:
        parts = [unet.down_blocks[level], unet.up_blocks[-1 - level]]
        for part in [*parts, unet.mid_block] if level else parts:
            for transformer in part.attentions:
                block = ReferenceBlock(transformer.transformer_blocks[0], ratio, plan)
                transformer.transformer_blocks[0] = block
                transformer.register_forward_pre_hook(
                    lambda _, given, block=block: setattr(block, "grid", given[0].shape[-2:])
                )
    return unet


def compile_model(model: ov.Model, precision: str = "f32") -> ov.CompiledModel:
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})


def run(model: ov.CompiledModel, given: dict[str, Tensor]) -> np.ndarray:
    return model({name: value.numpy() for name, value in given.items()})[0].copy()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("mode", ["mean", "drop"])
@pytest.mark.parametrize(("cross_attention", "mlp"), [(False, False), (True, False), (True, True)])
@torch.no_grad()
def test_a_block_in_pytorch_does_what_the_paper_says(grid, mode, cross_attention, mlp):
    for ratio in (0.25, 0.5, 0.75):
        plan = TokenMergingPlan(
            ratios=(ratio,), mode=mode, cross_attention=cross_attention, mlp=mlp
        )
        block = merge_tokens(build_unet(), plan).down_blocks[0].attentions[0].transformer_blocks[0]
        generator = torch.Generator().manual_seed(1)
        states = torch.randn(3, grid[0] * grid[1], 8, generator=generator)
        text = torch.randn(3, 5, TEXT, generator=generator)
        block.grid = grid
        ours = block(states, encoder_hidden_states=text)
        theirs = reference_block(block, states, text, grid, ratio, plan)
        torch.testing.assert_close(ours, theirs)


@pytest.fixture(
    scope="module",
    params=[
        TokenMergingPlan(ratios=(0.5, 0.3), mode="mean", cross_attention=True, mlp=True),
        TokenMergingPlan(ratios=(0.4,), mode="drop"),
    ],
    ids=["mean everywhere", "drop before self-attention"],
)
def merged(request):
    """A merging UNet in PyTorch, as a graph, compiled, and the reference."""
    unet = merge_tokens(build_unet(), request.param)
    model = trace_unet(unet)
    return unet, model, compile_model(model), reference_unet(request.param)


@pytest.fixture(scope="module")
def plain():
    """The UNet without merging, in PyTorch and compiled."""
    return build_unet(), compile_model(trace_unet(build_unet()))


@pytest.mark.parametrize("shape", [
    (1, 4, 8, 8), (3, 4, 8, 8), (2, 4, 16, 12), (2, 4, 7, 9), (1, 4, 4, 10), (2, 4, 5, 5),
    (2, 4, 6, 10), (2, 4, 7, 8),  # Odd at the coarser resolution only, and at the finer one only.
])  # fmt: skip
@torch.no_grad()
def test_a_unet_does_what_the_paper_says_at_every_size(merged, shape):
    unet, _, compiled, reference = merged
    given = inputs(*shape)
    expected = reference(**given).sample
    torch.testing.assert_close(unet(**given).sample, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        torch.from_numpy(run(compiled, given)), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("shape", [(2, 4, 7, 9), (1, 4, 5, 10), (3, 4, 3, 9), (2, 4, 6, 5)])
@torch.no_grad()
def test_nothing_is_merged_where_a_side_is_odd(merged, plain, shape):
    """The same within rounding: tokens that stay alone attend in another order."""
    unet, _, compiled, _ = merged
    given = inputs(*shape)
    torch.testing.assert_close(unet(**given).sample, plain[0](**given).sample, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run(compiled, given), run(plain[1], given), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_merging_changes_something(merged):
    unet = merged[0]
    given = inputs(1, 4, 8, 8)
    assert not torch.allclose(unet(**given).sample, build_unet()(**given).sample, atol=1e-4)


def test_a_row_alone_is_the_row_among_others(merged):
    unet, _, compiled, _ = merged
    given = inputs(4, 4, 8, 8)
    together = run(compiled, given)
    for row in range(4):
        alone = {name: value[row : row + 1] for name, value in given.items()}
        np.testing.assert_allclose(run(compiled, alone)[0], together[row], rtol=1e-5, atol=1e-6)
        with torch.no_grad():
            torch.testing.assert_close(
                unet(**alone).sample[0], unet(**given).sample[row], rtol=1e-5, atol=1e-6
            )


def test_rows_do_not_meet_when_similarities_are_rounded(merged):
    """In BF16 many similarities are equal: which of them win must not depend on the company."""
    compiled = compile_model(merged[1], "bf16")
    given = inputs(4, 4, 16, 16)
    together = run(compiled, given)
    for row in range(4):
        alone = {name: value[row : row + 1] for name, value in given.items()}
        np.testing.assert_allclose(run(compiled, alone)[0], together[row], rtol=1e-2, atol=1e-3)


def test_no_features_are_scattered_and_attention_is_fused(merged):
    model = merged[1]
    scattered = [op for op in model.get_ops() if op.get_type_name() == "ScatterElementsUpdate"]
    assert {str(op.get_output_element_type(0)) for op in scattered} == {"<Type: 'int64_t'>"}
    kinds = [op.get_type_name() for op in model.get_ops()]
    assert "GatherElements" not in kinds
    assert kinds.count("ScaledDotProductAttention") == 2 * 7


def test_merging_is_found_by_name(merged):
    """The quantiser leaves it alone by that name."""
    products = [
        op
        for op in merged[1].get_ops()
        if op.get_type_name() == "MatMul"
        and all(port.get_node().get_type_name() != "Constant" for port in op.input_values())
    ]
    assert products
    similar = [op for op in products if "token_merging" in op.get_friendly_name()]
    assert similar
    assert all(".attn" not in op.get_friendly_name() for op in similar)


@torch.no_grad()
def test_a_ratio_of_nothing_changes_not_a_bit(plain):
    merged = merge_tokens(build_unet(), TokenMergingPlan(ratios=(0.0, 0.0), mlp=True))
    given = inputs(2, 4, 8, 8)
    assert torch.equal(merged(**given).sample, plain[0](**given).sample)
    compiled = compile_model(trace_unet(merged))
    assert np.array_equal(run(compiled, given), run(plain[1], given))


@torch.no_grad()
def test_a_resolution_of_ratio_nothing_is_left_alone():
    given = inputs(2, 4, 8, 8)
    second = merge_tokens(build_unet(), TokenMergingPlan(ratios=(0.0, 0.5)))
    transformers = [block.attentions[0] for block in second.down_blocks[:2]]
    assert [hasattr(one.transformer_blocks[0], "token_merging") for one in transformers] == [
        False,
        True,
    ]
    reference = reference_unet(TokenMergingPlan(ratios=(0.0, 0.5)))
    torch.testing.assert_close(second(**given).sample, reference(**given).sample)


@torch.no_grad()
def test_merging_can_be_undone_and_changes_no_parameter():
    unet, given = build_unet(), inputs(2, 4, 8, 8)
    before, names = unet(**given).sample, list(unet.state_dict())
    merge_tokens(unet, TokenMergingPlan(ratios=(0.5, 0.5), mlp=True))
    assert list(unet.state_dict()) == names
    assert not torch.equal(unet(**given).sample, before)
    restore_tokens(unet)
    assert torch.equal(unet(**given).sample, before)
    assert all("token_merging" not in name for name, _ in unet.named_modules())


@torch.no_grad()
def test_a_new_plan_replaces_the_old_one():
    unet, given = build_unet(), inputs(1, 4, 8, 8)
    merge_tokens(unet, TokenMergingPlan(ratios=(0.7, 0.7), mode="drop", mlp=True))
    merge_tokens(unet, TokenMergingPlan(ratios=(0.25,)))
    once = merge_tokens(build_unet(), TokenMergingPlan(ratios=(0.25,)))
    assert torch.equal(unet(**given).sample, once(**given).sample)


@pytest.mark.parametrize("mode", ["mean", "drop"])
def test_it_can_be_trained_through(mode):
    """Every parameter gets the gradient that the reference gets, with and without checkpointing."""
    plan = TokenMergingPlan(ratios=(0.5, 0.5), mode=mode, cross_attention=True, mlp=True)
    given = inputs(2, 4, 8, 8)
    gradients = {}
    for kind, unet in {
        "ours": merge_tokens(build_unet(), plan),
        "checkpointed": merge_tokens(build_unet(), plan),
        "reference": reference_unet(plan),
    }.items():
        if kind == "checkpointed":
            unet.train()
            unet.enable_gradient_checkpointing()
        unet(**given).sample.square().mean().backward()
        gradients[kind] = [parameter.grad for parameter in unet.parameters()]
    for kind in ("ours", "checkpointed"):
        for ours, theirs in zip(gradients[kind], gradients["reference"], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)


def test_a_compiled_graph_forgets_the_sizes_that_it_has_seen():
    plan = TokenMergingPlan(ratios=(0.5,), cross_attention=True)
    transformer = merge_tokens(build_unet(), plan).down_blocks[0].attentions[0]

    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, states: Tensor, text: Tensor) -> Tensor:
            return self.transformer(states, encoder_hidden_states=text, return_dict=False)[0]

    model = convert(
        Alone(),
        {"states": torch.randn(2, 8, 5, 3), "text": torch.randn(2, 3, TEXT)},
        {"states": [DYNAMIC, 8, DYNAMIC, DYNAMIC], "text": [DYNAMIC, DYNAMIC, TEXT]},
        outputs=["out"],
    )
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    generator = torch.Generator().manual_seed(0)
    for rows, height, width in ((1, 16, 16), (2, 2, 2), (3, 5, 8), (1, 1, 2), (2, 16, 16)):
        states = torch.randn(rows, 8, height, width, generator=generator)
        text = torch.randn(rows, 4, TEXT, generator=generator)
        with torch.no_grad():
            expected = Alone()(states, text)
        ours = torch.from_numpy(compiled([states.numpy(), text.numpy()])[0])
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("ratios", "sentence"),
    [((0.8,), "from 0 to 0.75"), ((-0.1,), "from 0 to 0.75"), ((float("nan"),), "from 0 to 0.75")],
)
def test_a_ratio_that_cannot_be_is_refused(ratios, sentence):
    with pytest.raises(BundleError, match=sentence):
        merge_tokens(build_unet(), TokenMergingPlan(ratios=ratios))


def test_more_ratios_than_resolutions_are_refused():
    unet = UNet2DConditionModel(
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        mid_block_type=None,
        block_out_channels=(8, 8),
        attention_head_dim=2,
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=TEXT,
    )
    with pytest.raises(BundleError, match="has transformer blocks at 1 resolutions"):
        merge_tokens(unet, TokenMergingPlan(ratios=(0.5, 0.5)))


def test_blocks_of_another_kind_are_refused():
    unet = build_unet()
    unet.down_blocks[0].attentions[0].transformer_blocks[0].only_cross_attention = True
    with pytest.raises(BundleError, match="without --tome"):
        merge_tokens(unet, TokenMergingPlan(ratios=(0.5,)))


def test_the_smallest_sample_has_two_tokens_a_side_where_tokens_are_merged():
    unet = build_unet()
    assert smallest_sample(unet, TokenMergingPlan(ratios=(0.5,))) == 2
    assert smallest_sample(unet, TokenMergingPlan(ratios=(0.5, 0.0))) == 2
    assert smallest_sample(unet, TokenMergingPlan(ratios=(0.5, 0.5))) == 4
    assert smallest_sample(unet, TokenMergingPlan(ratios=(0.0,))) == 1
