"""Simulated INT8: trained, checkpointed, stored, converted, always the same numbers."""

import copy
import json

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from bundles.manifest import TokenMergingPlan
from core.errors import BundleError
from modelkit.token_merging import merge_tokens
from modelkit.training.fit import checkpoint_gradients
from modelkit.training.models import load_unet
from modelkit.training.quantised import PLACES, WEIGHTS, load_quantised, quantise, save_quantised
from modelkit.training.teacher import TeacherCall

PLAN = TokenMergingPlan(ratios=(0.5,))


@pytest.fixture(scope="module")
def quantised(microscopic) -> UNet2DConditionModel:
    unet = merge_tokens(load_unet(microscopic), PLAN)
    random = torch.Generator().manual_seed(1)
    calls = [
        TeacherCall(
            sample=torch.randn(2, 4, 8, 8, generator=random),
            timestep=torch.randint(1000, (2,), generator=random).float(),
            states=torch.randn(2, 7, 16, generator=random),
            output=torch.empty(0),
            guidance=torch.full((1, 1, 1, 1), 3.0),
        )
        for _ in range(4)
    ]
    return quantise(unet, calls).requires_grad_(False)


def predict(unet, inputs) -> torch.Tensor:
    return unet(**inputs, return_dict=False)[0]


def kinds(unet) -> set[str]:
    return {type(module).__name__ for module in unet.modules()}


def test_quantisers_round_but_only_a_little(quantised, microscopic, inputs):
    merged = merge_tokens(load_unet(microscopic), PLAN)
    wanted, got = predict(merged, inputs), predict(quantised, inputs)
    assert not torch.equal(got, wanted)
    assert (got - wanted).square().mean() < 0.01 * wanted.square().mean()


IN_FLOATING_POINT = (
    "conv_in", "conv_out", "time_embedding", "time_emb_proj", "conv_shortcut", "ff.net.2",
)  # fmt: skip


def test_sensitive_layers_and_attention_stay_in_floating_point(quantised, microscopic):
    places = [
        name for name, module in quantised.named_modules() if "Quantizer" in type(module).__name__
    ]
    weights = [place for place in places if place.endswith("__1.0")]
    assert sum("to_q" in place for place in weights) == 8
    # As diffusers names them: NNCF's names of the same layers are others.
    layers = [
        name
        for name, module in load_unet(microscopic).named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    for kept in IN_FLOATING_POINT:
        assert any(kept in name for name in layers), kept
    others = [name for name in layers if not any(kept in name for kept in IN_FLOATING_POINT)]
    assert len(weights) == len(others)
    # What attention and similarities take would be quantised where it is made.
    others = set(places) - set(weights)
    assert any("layer_norm" in place for place in others)
    for made in ("to_q/linear", "to_k/linear", "to_v/linear", "normalize", "transpose"):
        assert not any(made in place for place in others), made


def test_gradients_are_the_same_when_blocks_are_computed_twice(quantised, inputs):
    def gradients(unet):
        unet.requires_grad_(False)
        for parameter in unet.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        unet.train()
        predict(unet, inputs).square().mean().backward()
        return {
            name: parameter.grad
            for name, parameter in unet.named_parameters()
            if parameter.grad is not None
        }

    plain, twice = copy.deepcopy(quantised), copy.deepcopy(quantised)
    checkpoint_gradients(twice)
    once = gradients(plain)
    again = gradients(twice)
    assert once.keys() == again.keys()
    assert sum(bool(gradient.abs().max() > 0) for gradient in once.values()) > len(once) / 2
    for name, gradient in once.items():
        assert torch.allclose(gradient, again[name], atol=1e-7), name


def test_what_is_saved_is_what_is_loaded(quantised, inputs, tmp_path):
    save_quantised(quantised, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json", PLACES, WEIGHTS,
    ]  # fmt: skip
    assert "_name_or_path" not in json.loads((tmp_path / "config.json").read_text())
    loaded = load_quantised(tmp_path, PLAN)
    assert torch.equal(predict(loaded, inputs), predict(quantised, inputs))


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_a_damaged_folder_is_refused(quantised, tmp_path, damage):
    save_quantised(quantised, tmp_path)
    weights = tmp_path / WEIGHTS
    if damage == "missing":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        (tmp_path / PLACES).write_text('{"compression_state": []}')
    with pytest.raises(BundleError, match=r"is no trained UNet .*packshot model quantise-train"):
        load_quantised(tmp_path, PLAN)
