"""Which single files are told apart, and what packshot knows of their families."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from core.errors import BundleError
from modelkit.export.architecture import check_architecture
from modelkit.families.recognition import (
    KNOWN_FAMILIES,
    STABLE_DIFFUSION_1,
    STABLE_DIFFUSION_2,
    Family,
    recognise,
)
from modelkit.families.vocabulary import clip_tokenizer

FILE = Path("shop.safetensors")
FIRST = "model.diffusion_model.input_blocks.0.0.weight"
CLIP = "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"
OPEN_CLIP = "cond_stage_model.model.positional_embedding"
WEIGHT = (8, 4, 3, 3)

PARAMETERS = {
    "Stable Diffusion 1.x": (859_520_964, 83_653_863, 123_060_480),
    "Stable Diffusion 2.x": (865_910_724, 83_653_863, 340_387_840),
}
"""Of UNet, autoencoder and text encoder, as the models' papers and cards count them."""


@pytest.mark.parametrize("family", KNOWN_FAMILIES, ids=lambda family: family.name)
def test_a_family_s_configuration_is_that_of_its_models(family: Family):
    check_architecture(family.folder)
    text = json.loads((family.folder / "text_encoder" / "config.json").read_text())
    with torch.device("meta"):
        parts = (
            UNet2DConditionModel.from_config(
                UNet2DConditionModel.load_config(family.folder / "unet")
            ),
            AutoencoderKL.from_config(AutoencoderKL.load_config(family.folder / "vae")),
            CLIPTextModel(CLIPTextConfig(**text)),
        )
    counts = tuple(sum(one.numel() for one in part.parameters()) for part in parts)
    assert counts == PARAMETERS[family.name]


def test_texts_have_clip_s_ids():
    tokenizer = clip_tokenizer()
    assert len(tokenizer) == 49408
    # From CLIP's own notebook and the documentation of transformers.
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer("Hello World!").input_ids == [49406, 3306, 1002, 256, 49407]


def test_each_family_fills_texts_up_in_its_way():
    first, second = (clip_tokenizer(pad=family.pad) for family in KNOWN_FAMILIES)
    assert first("", padding="max_length").input_ids[2:] == [49407] * 75
    assert second("", padding="max_length").input_ids[2:] == [0] * 75


@pytest.mark.parametrize(
    ("text", "family"), [(CLIP, STABLE_DIFFUSION_1), (OPEN_CLIP, STABLE_DIFFUSION_2)]
)
def test_a_text_encoder_tells_the_family(text: str, family: Family):
    assert recognise({FIRST: WEIGHT, text: (77, 8)}, FILE) is family


@pytest.mark.parametrize(
    ("shapes", "sentence"),
    [
        ({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (8, 8)}, "is Flux"),
        ({"model.diffusion_model.joint_blocks.0.x_block.mlp.fc1.weight": (8, 8)}, "Diffusion 3"),
        (
            {FIRST: WEIGHT, "conditioner.embedders.0.transformer.text_model.x": (8,)},
            "is Stable Diffusion XL: give a folder in diffusers' layout",
        ),
        ({FIRST: (8, 9, 3, 3), CLIP: (77, 8)}, "is an inpainting model"),
        ({FIRST: (8, 8, 3, 3), CLIP: (77, 8)}, "is an InstructPix2Pix model"),
        ({FIRST: (8, 5, 3, 3), OPEN_CLIP: (77, 8)}, "is a model with depth"),
        ({"control_model.time_embed.0.weight": (8, 8)}, "is a ControlNet"),
        ({"lora_unet_mid_block_x.lora_down.weight": (4, 8)}, "is a LoRA: give the model"),
        ({"unet.mid_block.x.lora_A.weight": (4, 8)}, "is a LoRA"),
        ({"emb_params": (4, 768)}, "is a textual inversion: .*--embedding"),
        ({"<mug>": (768,)}, "is a textual inversion"),
        ({"decoder.conv_in.weight": (8, 4, 3, 3), "encoder.x": (8,)}, "is an autoencoder: .*--vae"),
        ({"down_blocks.0.resnets.0.norm1.weight": (8,)}, "a part of a model in diffusers' layout"),
        ({FIRST: WEIGHT}, r"has a UNet, but no text encoder \(cond_stage_model"),
        (
            {"blocks.0.attn.weight": (8, 8), "b": (8, 8, 1)},
            rf"does not know: it looked for.*{FIRST}",
        ),
    ],
)
def test_what_is_none_of_them_is_named(shapes: dict[str, tuple[int, ...]], sentence: str):
    with pytest.raises(BundleError, match=f"^{FILE} .*{sentence}"):
        recognise(shapes, FILE)
