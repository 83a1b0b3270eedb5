"""Downsampled keys and values against the paper's interpolation and PyTorch's own attention."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bundles.manifest import TokenMergingPlan
from core.errors import BundleError
from modelkit.export.unet import trace_unet
from modelkit.token_merging import merge_tokens, restore_tokens, smallest_sample
from tests.unit.bundles.test_token_merging import TEXT, build_unet, compile_model, inputs, run

PLAN = TokenMergingPlan(ratios=(0.75, 0.75), mode="downsample")


def reference_attention(attention, states: Tensor, grid: tuple[int, int]) -> Tensor:
    """Attend from all tokens to those that nearest-neighbour interpolation by half leaves."""
    height, width = grid
    image = states.transpose(1, 2).unflatten(2, grid)
    small = functional.interpolate(image, size=(-(-height // 2), -(-width // 2)), mode="nearest")
    seen = small.flatten(2).transpose(1, 2)
    query, key, value = (
        layer(tokens).unflatten(2, (attention.heads, -1)).transpose(1, 2)
        for layer, tokens in (
            (attention.to_q, states), (attention.to_k, seen), (attention.to_v, seen),
        )
    )  # fmt: skip
    attended = functional.scaled_dot_product_attention(query, key, value)
    return attention.to_out[0](attended.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("grid", [(8, 8), (4, 6), (2, 2), (1, 1)])
@torch.no_grad()
def test_a_block_looks_at_a_quarter_of_the_tokens_as_the_paper_says(grid):
    block = merge_tokens(build_unet(), PLAN).down_blocks[0].attentions[0].transformer_blocks[0]
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(3, grid[0] * grid[1], 8, generator=generator)
    text = torch.randn(3, 5, TEXT, generator=generator)
    block.attn1.grid = grid
    ours = block(states, encoder_hidden_states=text)
    expected = states + reference_attention(block.attn1, block.norm1(states), grid)
    expected = expected + block.attn2(block.norm2(expected), encoder_hidden_states=text)
    expected = expected + block.ff(block.norm3(expected))
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (3, 4, 6, 10), (2, 4, 7, 9), (1, 4, 2, 2)])
@torch.no_grad()
def test_one_graph_holds_for_every_size_and_row(shape):
    unet = merge_tokens(build_unet(), PLAN)
    compiled, given = compile_model(trace_unet(unet)), inputs(*shape)
    expected = unet(**given).sample
    assert not torch.allclose(expected, build_unet()(**given).sample, atol=1e-4) or shape[2] == 2
    np.testing.assert_allclose(run(compiled, given), expected.numpy(), rtol=1e-4, atol=1e-5)
    alone = {name: value[:1] for name, value in given.items()}
    np.testing.assert_allclose(
        run(compiled, alone)[0], run(compiled, given)[0], rtol=1e-4, atol=1e-5
    )


def test_it_can_be_undone_and_needs_no_size():
    unet, given = merge_tokens(build_unet(), PLAN), inputs(1, 4, 8, 8)
    assert smallest_sample(unet, PLAN) == 1
    with torch.no_grad():
        plain = restore_tokens(unet)(**given).sample
        assert torch.equal(plain, build_unet()(**given).sample)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ratios": (0.5,)}, "leaves out 0.75 of the tokens, not 0.5"),
        ({"ratios": (0.75, 0.3)}, "leaves out 0.75 of the tokens, not 0.3"),
        ({"cross_attention": True}, "those of self-attention"),
        ({"mlp": True}, "those of self-attention"),
    ],
)
def test_what_the_mode_does_not_have_is_refused(changes, sentence):
    with pytest.raises(BundleError, match=sentence):
        merge_tokens(build_unet(), PLAN.model_copy(update=changes))
