"""A LoRA that was added to the weights does what it does beside them, whoever wrote its file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_lora_to_diffusers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextModel

from core.errors import BundleError
from modelkit.export.additions import Additions, Lora
from modelkit.export.conversion import load_part
from modelkit.export.preparation import check_additions, prepare
from modelkit.progress import Silent
from tests.integration.bundles.kinds import save_loud
from tests.support.made_once import MadeOnce

RANK, ALPHA = 2, 1.0
BLOCK = "down_blocks.0.attentions.0"
LAYERS = (
    f"unet.{BLOCK}.transformer_blocks.0.attn1.to_q",
    f"unet.{BLOCK}.transformer_blocks.0.attn2.to_out.0",
    f"unet.{BLOCK}.transformer_blocks.0.ff.net.0.proj",
    f"unet.{BLOCK}.proj_in",
    "unet.up_blocks.1.resnets.0.conv1",
    "text_encoder.text_model.encoder.layers.0.self_attn.q_proj",
    "text_encoder.text_model.encoder.layers.0.mlp.fc1",
)
"""Linear layers, a convolution of one pixel and one of nine."""

ATTENTION = tuple(name for name in LAYERS if ".attn" in name or ".self_attn" in name)
"""What old files of diffusers can name."""

Pair = tuple[Tensor, Tensor]


@pytest.fixture
def source(made_once: MadeOnce) -> Path:
    return made_once.folder("loud", save_loud)


def layer_of(parts: dict[str, nn.Module], name: str) -> Any:
    part, _, inside = name.partition(".")
    known = dict(parts[part].named_modules())
    return known.get(inside) or known[inside.removeprefix("text_model.")]


@pytest.fixture
def parts(source: Path) -> dict[str, nn.Module]:
    return loaded(source)


def loaded(folder: Path) -> dict[str, nn.Module]:
    return {
        "unet": load_part(UNet2DConditionModel, folder / "unet"),
        "text_encoder": load_part(CLIPTextModel, folder / "text_encoder"),
    }


@pytest.fixture
def pairs(parts: dict[str, nn.Module]) -> dict[str, Pair]:
    """Random matrices for some layers: down and up."""
    chance = torch.Generator().manual_seed(6)
    found = {}
    for name in LAYERS:
        rows, *inputs = layer_of(parts, name).weight.shape
        ones = [1] * (len(inputs) - 1)
        found[name] = (
            torch.randn(RANK, *inputs, generator=chance),
            torch.randn(rows, RANK, *ones, generator=chance),
        )
    return found


def kohya(pairs: dict[str, Pair]) -> dict[str, Tensor]:
    tensors = {}
    for name, (down, up) in pairs.items():
        short = name.replace(".", "_")
        key = "lora_unet_" + short[5:] if short.startswith("unet_") else "lora_te_" + short[13:]
        tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up}
        tensors[f"{key}.alpha"] = torch.tensor(ALPHA)
    return tensors


def peft(pairs: dict[str, Pair]) -> dict[str, Tensor]:
    return {
        f"{name}.lora_{letter}.weight": one
        for name, both in pairs.items()
        for letter, one in zip("AB", both, strict=True)
    }


def processors(pairs: dict[str, Pair]) -> dict[str, Tensor]:
    """Name attention layers as diffusers before 0.22 did; texts as a little later."""
    tensors = {}
    for name, (down, up) in pairs.items():
        if name.startswith("unet."):
            block, _, layer = name.removesuffix(".0").rpartition(".")
            stem = f"{block}.processor.{layer}_lora"
        else:
            stem = f"{name}.lora_linear_layer"
        tensors |= {f"{stem}.down.weight": down, f"{stem}.up.weight": up}
    return tensors


METADATA = {
    "lora_adapter_metadata": json.dumps(
        {f"{part}.{name}": value for part in ("unet", "text_encoder")
         for name, value in (("r", RANK), ("lora_alpha", ALPHA))}
    )
}  # fmt: skip


@contextmanager
def beside(parts: dict[str, nn.Module], pairs: dict[str, Pair], scale: float) -> Iterator[None]:
    """Add what a LoRA says to the outputs of layers."""

    def hook(down: Tensor, up: Tensor) -> Any:
        def add(layer: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            if isinstance(layer, nn.Conv2d):
                inner = nn.functional.conv2d(inputs[0], down, padding=layer.padding)
                return output + scale * nn.functional.conv2d(inner, up)
            return output + scale * (inputs[0] @ down.T @ up.T)

        return add

    hooks = [
        layer_of(parts, name).register_forward_hook(hook(*both)) for name, both in pairs.items()
    ]
    yield
    for one in hooks:
        one.remove()


@torch.no_grad()
def seen(parts: dict[str, nn.Module]) -> tuple[Tensor, Tensor]:
    """Return what text encoder and UNet compute."""
    chance = torch.Generator().manual_seed(1)
    states = parts["text_encoder"](torch.arange(77)[None]).last_hidden_state
    noise = torch.randn(1, 4, 8, 8, generator=chance)
    return states, parts["unet"](noise, torch.tensor([500]), states).sample


def fused(source: Path, folder: Path, *loras: Lora) -> dict[str, nn.Module]:
    added = Additions(loras=loras)
    folder.mkdir()
    check_additions(source, added)
    prepare(source, added, folder, Silent())
    return loaded(folder)


@pytest.mark.parametrize("kind", ["kohya", "peft", "old"])
def test_a_file_does_in_the_weights_what_it_does_beside_them(
    source: Path, parts: dict[str, nn.Module], pairs: dict[str, Pair], kind: str, tmp_path: Path
):
    file = tmp_path / "look.safetensors"
    scale = ALPHA / RANK
    if kind == "kohya":
        save_file(kohya(pairs), file)
    elif kind == "peft":
        save_file(peft(pairs), file, METADATA)
    else:
        pairs = {name: both for name, both in pairs.items() if name in ATTENTION}
        save_file(processors(pairs), file)
        scale = 1.0
    plain = seen(parts)
    with beside(parts, pairs, 0.7 * scale):
        wanted = seen(parts)
    found = seen(fused(source, tmp_path / "model", Lora(file=file, weight=0.7)))
    for one, other, before in zip(found, wanted, plain, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
        assert not torch.allclose(before, other, atol=1e-2)


def test_kohya_s_names_are_read_as_diffusers_reads_them(
    pairs: dict[str, Pair], source: Path, tmp_path: Path
):
    """Of the attention's layers; the others' names diffusers guesses for real sizes only."""
    some = {name: both for name, both in pairs.items() if name in ATTENTION}
    one, other = tmp_path / "kohya.safetensors", tmp_path / "theirs.safetensors"
    save_file(kohya(some), one)
    converted, alphas = _convert_non_diffusers_lora_to_diffusers(load_file(one))
    save_file({name: value.contiguous() for name, value in converted.items()}, other)
    assert set(alphas.values()) == {ALPHA}
    ours = fused(source, tmp_path / "ours", Lora(file=one))
    theirs = fused(source, tmp_path / "theirs", Lora(file=other, weight=ALPHA / RANK))
    for name in some:
        torch.testing.assert_close(layer_of(ours, name).weight, layer_of(theirs, name).weight)


def test_several_sum_up_and_what_none_changes_is_left_alone(
    source: Path, parts: dict[str, nn.Module], pairs: dict[str, Pair], tmp_path: Path
):
    file = tmp_path / "look.safetensors"
    save_file(kohya({LAYERS[0]: pairs[LAYERS[0]]}), file)
    found = fused(
        source, tmp_path / "model", Lora(file=file, weight=0.3), Lora(file=file, weight=0.4)
    )
    down, up = pairs[LAYERS[0]]
    wanted = layer_of(parts, LAYERS[0]).weight + 0.7 * ALPHA / RANK * up @ down
    torch.testing.assert_close(layer_of(found, LAYERS[0]).weight, wanted)
    assert (tmp_path / "model" / "text_encoder").is_symlink()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lora_unet_input_blocks_4_1_proj.lora_down.weight": torch.zeros(2, 8),
          "lora_unet_input_blocks_4_1_proj.lora_up.weight": torch.zeros(8, 2)},
         r"another architecture: 1 of its 8 layers .*such as input_blocks_4_1_proj"),
        ({"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": torch.zeros(2, 8),
          "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": torch.zeros(8, 2)},
         "was made for Stable Diffusion XL"),
        ({"lora_unet_mid_block_x.hada_w1_a": torch.zeros(2, 8)}, r"no LoRA .*hada_w1_a"),
        ({"lora_unet_down_blocks_0_x.lora_up.weight": torch.zeros(2, 8)}, "down_blocks_0_x"),
    ],
    ids=["another family", "XL", "another kind", "half a pair"],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(
    source: Path, pairs: dict[str, Pair], change: dict[str, Tensor], sentence: str, tmp_path: Path
):
    file = tmp_path / "look.safetensors"
    save_file(kohya(pairs) | change, file)
    with pytest.raises(BundleError, match=sentence):
        fused(source, tmp_path / "model", Lora(file=file))


def test_other_sizes_are_another_architecture(source: Path, pairs: dict[str, Pair], tmp_path: Path):
    file = tmp_path / "look.safetensors"
    wide = {LAYERS[0]: (torch.zeros(RANK, 320), torch.zeros(320, RANK))}
    save_file(kohya(pairs | wide), file)
    with pytest.raises(BundleError, match=r"of other sizes, such as .*attn1_to_q"):
        fused(source, tmp_path / "model", Lora(file=file))


def test_a_damaged_or_pickled_one_is_refused(source: Path, tmp_path: Path):
    for name, sentence in (("a.safetensors", "damaged or cut off"), ("a.pt", "is a pickle")):
        (tmp_path / name).write_bytes(b"\x80\x04.")
        with pytest.raises(BundleError, match=sentence):
            fused(source, tmp_path / f"model-{name}", Lora(file=tmp_path / name))
