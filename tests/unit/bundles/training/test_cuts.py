"""Smaller UNets: what is taken out, and that the rest keeps its weights."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from core.errors import BundleError
from modelkit.training.shrink import cut


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    """Three resolutions with three layers each, the coarsest without attention."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(8, 16, 24),
        attention_head_dim=2,
        layers_per_block=3,
        norm_num_groups=4,
        cross_attention_dim=16,
    ).eval()


def predict(unet, inputs):
    with torch.no_grad():
        return unet(**inputs).sample


@pytest.mark.parametrize("parts", [["mid"], ["attention-0"], ["attention-1"], ["layers"],
                                   ["mid", "layers", "attention-0", "mid"]])  # fmt: skip
def test_a_cut_unet_is_smaller_and_predicts(unet, inputs, parts):
    smaller = cut(unet, parts)
    assert smaller.num_parameters() < unet.num_parameters()
    assert predict(smaller, inputs).shape == inputs["sample"].shape
    assert not smaller.training


def test_nothing_cut_is_the_same(unet, inputs):
    assert torch.equal(predict(cut(unet, []), inputs), predict(unet, inputs))


def test_the_larger_one_stays(unet, inputs):
    before = predict(unet, inputs)
    cut(unet, ["mid", "layers", "attention-1"])
    assert torch.equal(predict(unet, inputs), before)


def test_attention_that_does_nothing_can_be_cut_without_a_trace(unet, inputs):
    """Output projections of zero make a transformer pass on what it gets."""
    idle = cut(unet, [])
    for stage in (idle.down_blocks[1], idle.up_blocks[1]):
        for transformer in stage.attentions:
            torch.nn.init.zeros_(transformer.proj_out.weight)
            torch.nn.init.zeros_(transformer.proj_out.bias)
    assert torch.allclose(
        predict(cut(idle, ["attention-1"]), inputs), predict(idle, inputs), atol=1e-5
    )


def test_of_the_layers_the_first_stays_and_on_the_way_up_the_last_too(unet):
    smaller, weights = cut(unet, ["layers"]).state_dict(), unet.state_dict()
    for name, origin in (
        ("down_blocks.0.resnets.0.conv1.weight", "down_blocks.0.resnets.0.conv1.weight"),
        ("up_blocks.2.resnets.0.conv1.weight", "up_blocks.2.resnets.0.conv1.weight"),
        ("up_blocks.2.resnets.1.conv1.weight", "up_blocks.2.resnets.3.conv1.weight"),
        ("up_blocks.1.attentions.1.norm.bias", "up_blocks.1.attentions.3.norm.bias"),
        ("mid_block.resnets.1.conv1.weight", "mid_block.resnets.1.conv1.weight"),
    ):
        assert torch.equal(smaller[name], weights[origin])
    assert "down_blocks.0.resnets.1.conv1.weight" not in smaller
    assert "up_blocks.0.resnets.2.conv1.weight" not in smaller


def test_what_is_not_there_cannot_be_cut(unet):
    for part, message in (
        ("attention-2", "no attention at resolution 2, counted from the finest, 0: choose 0 or 1"),
        ("attention-9", "no attention at resolution 9"),
        ("head", "'head' is no part that can be removed: choose mid, layers"),
    ):
        with pytest.raises(BundleError, match=message):
            cut(unet, [part])
    with pytest.raises(BundleError, match="has no middle block"):
        cut(cut(unet, ["mid"]), ["mid"])
    with pytest.raises(BundleError, match="has one layer in each stage already"):
        cut(cut(unet, ["layers"]), ["layers"])
