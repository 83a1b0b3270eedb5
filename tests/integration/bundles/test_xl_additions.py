"""LoRAs, words and left-out layers of models with two text encoders: as in diffusers."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.lora_conversion_utils import (
    _convert_unet_lora_key,
    _maybe_map_sgm_blocks_to_diffusers,
)
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from benchmarks.layouts import LAYOUTS, XL_WIDTH, save_layout
from benchmarks.layouts import WIDTH as FIRST_WIDTH
from bundles.layout import POOLED
from bundles.plan import Plan
from core.errors import BundleError
from modelkit.evaluation.parity import check_parity
from modelkit.export.additions import Additions, Embedding, Lora
from modelkit.export.build import build
from modelkit.export.conversion import load_part
from modelkit.export.preparation import check_additions, prepare
from modelkit.progress import Silent
from tests.support.made_once import MadeOnce
from tests.support.original_layout import unet_tensors
from worker.model import HIDDEN_STATES
from worker.pipeline import Pipeline

RANK, ALPHA, WEIGHT = 2, 1.0, 0.7
SCALE = WEIGHT * ALPHA / RANK
MLP = "encoder.layers.0.mlp.fc1"
PARTS = {
    "unet": UNet2DConditionModel,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}
PROMPT = "a red <mug>"


@pytest.fixture(scope="module")
def source(made_once: MadeOnce) -> Path:
    layout = next(one for one in LAYOUTS if one.name == "Stable Diffusion XL 1.0")
    return made_once.folder(layout.name, lambda folder: save_layout(layout, folder))


def loaded(folder: Path) -> dict[str, Any]:
    return {name: load_part(kind, folder / name) for name, kind in PARTS.items()}


def layers_of(part: nn.Module) -> dict[str, Any]:
    kinds = (nn.Linear, nn.Conv2d)
    found = {name: one for name, one in part.named_modules() if isinstance(one, kinds)}
    return {name.removeprefix("text_model."): one for name, one in found.items()}


def pair(layer: Any, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return random matrices of a layer: down and up."""
    rows, *inputs = layer.weight.shape
    down = torch.randn(RANK, *inputs, generator=chance)
    return down, torch.randn(rows, RANK, *[1] * (len(inputs) - 1), generator=chance)


def ready(source: Path, folder: Path, **added: Any) -> Path:
    folder.mkdir()
    check_additions(source, Additions(**added))
    prepare(source, Additions(**added), folder, Silent())
    return folder


def kohya(names: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    tensors = {}
    for name, (down, up) in names.items():
        tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        tensors[f"{name}.alpha"] = torch.tensor(ALPHA)
    return tensors


def changed(layer: Any, down: Tensor, up: Tensor, scale: float) -> Tensor:
    """Return a layer's weights with what a LoRA's paper adds to them."""
    delta = up.flatten(1) @ down.flatten(1)
    return layer.weight + scale * delta.reshape(layer.weight.shape)


def test_kohya_s_files_name_the_unet_s_layers_as_the_original_code(source: Path, tmp_path: Path):
    chance = torch.Generator().manual_seed(6)
    before = loaded(source)
    unet = before["unet"]
    layers = layers_of(unet)
    prefix = "model.diffusion_model."
    named = {
        theirs.removesuffix(".weight"): ours.removesuffix(".weight").removeprefix(prefix)
        for theirs, ours in zip(unet.state_dict(), unet_tensors(unet), strict=True)
    }
    pairs = {name: pair(layer, chance) for name, layer in layers.items()}
    texts = {
        "lora_te1_text_model_": ("text_encoder", pair(layers_of(before["text_encoder"])[MLP],
                                                      chance)),
        "lora_te2_text_model_": ("text_encoder_2", pair(layers_of(before["text_encoder_2"])[MLP],
                                                        chance)),
    }  # fmt: skip
    file = tmp_path / "look.safetensors"
    original = {f"lora_unet_{named[one].replace('.', '_')}": both for one, both in pairs.items()}
    short = {start + MLP.replace(".", "_"): both for start, (_, both) in texts.items()}
    save_file(kohya(original | short), file)
    folder = ready(source, tmp_path / "model", loras=(Lora(file=file, weight=WEIGHT),))
    after = loaded(folder)
    found = layers_of(after["unet"])
    for name, both in pairs.items():
        wanted = changed(layers[name], *both, SCALE)
        torch.testing.assert_close(found[name].weight, wanted, msg=name)
    for part, both in texts.values():
        wanted = changed(layers_of(before[part])[MLP], *both, SCALE)
        torch.testing.assert_close(layers_of(after[part])[MLP].weight, wanted)
    check_names_of_diffusers(load_file(file), unet.config, set(layers))


def check_names_of_diffusers(tensors: dict[str, Tensor], config: Any, known: set[str]) -> None:
    """Check that diffusers, too, finds in these names the layers that they were made of."""
    ends = ".lora_down.weight"
    unet = {name: one for name, one in tensors.items() if "unet" in name and name.endswith(ends)}
    mapped = _maybe_map_sgm_blocks_to_diffusers(unet, config)
    attention = {
        _convert_unet_lora_key(name.removesuffix(ends)).replace(".processor", "").replace(".", "_")
        for name in mapped
        if "transformer_blocks" in name
    }
    assert attention == {name.replace(".", "_") for name in known if "transformer_blocks" in name}


@pytest.mark.parametrize("end", ["lora_linear_layer.down.weight", "lora_A.weight"])
def test_diffusers_files_name_the_second_encoder(source: Path, end: str, tmp_path: Path):
    before = loaded(source)["text_encoder_2"]
    down, up = pair(layers_of(before)[MLP], torch.Generator().manual_seed(7))
    name = f"text_encoder_2.text_model.{MLP}"
    file = tmp_path / "look.safetensors"
    other = end.replace("down", "up").replace("lora_A", "lora_B")
    save_file({f"{name}.{end}": down, f"{name}.{other}": up}, file)
    folder = ready(source, tmp_path / "model", loras=(Lora(file=file, weight=WEIGHT),))
    after = loaded(folder)["text_encoder_2"]
    wanted = changed(layers_of(before)[MLP], down, up, WEIGHT)
    torch.testing.assert_close(layers_of(after)[MLP].weight, wanted)
    assert (folder / "text_encoder").is_symlink(), "what it does not change is left alone"


@pytest.mark.parametrize(
    ("tensors", "family"),
    [
        ({"lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k": (2, 768)},
         r"Stable Diffusion 1\.x"),
        ({"lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_v": (2, 1024)},
         r"Stable Diffusion 2\.x"),
    ],
)  # fmt: skip
def test_a_lora_of_another_family_is_named(
    source: Path, tensors: dict[str, tuple[int, int]], family: str, tmp_path: Path
):
    file = tmp_path / "look.safetensors"
    save_file(
        kohya({name: (torch.zeros(shape), torch.zeros(320, 2)) for name, shape in tensors.items()}),
        file,
    )
    with pytest.raises(BundleError, match=f"look.safetensors was made for {family}: 1 of its 1"):
        ready(source, tmp_path / "model", loras=(Lora(file=file),))


def test_a_bundle_reads_words_and_leaves_layers_out_as_diffusers(source: Path, tmp_path: Path):
    chance = torch.Generator().manual_seed(8)
    vectors = {
        "clip_l": 3 * torch.randn(2, FIRST_WIDTH, generator=chance),
        "clip_g": 3 * torch.randn(2, XL_WIDTH, generator=chance),
    }
    file = tmp_path / "mug.safetensors"
    save_file(vectors, file)
    added = Additions(embeddings=(Embedding(file=file, token="<mug>"),), clip_skip=1)
    build(source, tmp_path / "bundle", precision="fp32", additions=added, verify=check_parity)
    pipeline = Pipeline(tmp_path / "bundle", precision="f32", plan=Plan(threads=1))
    (found,) = pipeline.encode([PROMPT])
    theirs = diffusers.StableDiffusionXLPipeline.from_pretrained(
        source, torch_dtype=torch.float32, add_watermarker=False
    )
    plain, *_ = theirs.encode_prompt(PROMPT, device="cpu", clip_skip=1)
    for name, number in (("clip_l", ""), ("clip_g", "_2")):
        theirs.load_textual_inversion(
            vectors[name],
            token="<mug>",
            text_encoder=getattr(theirs, f"text_encoder{number}"),
            tokenizer=getattr(theirs, f"tokenizer{number}"),
        )
    states, _, pooled, _ = theirs.encode_prompt(PROMPT, device="cpu", clip_skip=1)
    whole, _, _, _ = theirs.encode_prompt(PROMPT, device="cpu")
    close = {"atol": 1e-3, "rtol": 1e-3}
    torch.testing.assert_close(torch.from_numpy(found[HIDDEN_STATES]), states[0], **close)
    torch.testing.assert_close(torch.from_numpy(found[POOLED]), pooled[0], **close)
    for other in (plain, whole):
        assert not torch.allclose(states, other, atol=1e-2)


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"<mug>": torch.zeros(768)}, "made for Stable Diffusion 1.x or 2.x, and this .* XL"),
        ({"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)}, "vectors of 768 numbers"),
        ({"clip_l": torch.zeros(1, 32), "x": torch.zeros(1)}, "no textual inversion: it has 2"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    source: Path, tensors: dict[str, Tensor], sentence: str, tmp_path: Path
):
    file = tmp_path / "mug.safetensors"
    save_file(tensors, file)
    with pytest.raises(BundleError, match=sentence):
        ready(source, tmp_path / "model", embeddings=(Embedding(file=file),))


def test_not_every_layer_can_be_left_out(source: Path, tmp_path: Path):
    with pytest.raises(BundleError, match="have 3 layers or more: --clip-skip can leave out 1"):
        ready(source, tmp_path / "model", clip_skip=2)
