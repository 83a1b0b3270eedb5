"""Which single files are told apart, and what packshot knows of their families."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from core.errors import BundleError
from modelkit.export.architecture import check_architecture
from modelkit.families.recognition import (
    KNOWN_FAMILIES,
    STABLE_DIFFUSION_1,
    STABLE_DIFFUSION_2,
    STABLE_DIFFUSION_XL,
    Family,
    recognise,
)
from modelkit.families.vocabulary import clip_tokenizer

FILE = Path("shop.safetensors")
FIRST = "model.diffusion_model.input_blocks.0.0.weight"
CLIP = "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"
OPEN_CLIP = "cond_stage_model.model.positional_embedding"
XL_CLIP = "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight"
XL_OPEN_CLIP = "conditioner.embedders.1.model.positional_embedding"
WEIGHT = (8, 4, 3, 3)

PARAMETERS = {
    "Stable Diffusion 1.x": (859_520_964, 83_653_863, 123_060_480),
    "Stable Diffusion 2.x": (865_910_724, 83_653_863, 340_387_840),
    "Stable Diffusion XL": (2_567_463_684, 83_653_863, 123_060_480, 694_659_840),
}
"""Of UNet, autoencoder and text encoders, as the models' papers and cards count them."""


@pytest.mark.parametrize("family", KNOWN_FAMILIES, ids=lambda family: family.name)
def test_a_family_s_configuration_is_that_of_its_models(family: Family):
    check_architecture(family.folder)
    texts = [
        (kind, json.loads((family.folder / name / "config.json").read_text()))
        for name, kind in (
            ("text_encoder", CLIPTextModel),
            ("text_encoder_2", CLIPTextModelWithProjection),
        )[: len(family.texts)]
    ]
    with torch.device("meta"):
        parts = (
            UNet2DConditionModel.from_config(
                UNet2DConditionModel.load_config(family.folder / "unet")
            ),
            AutoencoderKL.from_config(AutoencoderKL.load_config(family.folder / "vae")),
            *(kind(CLIPTextConfig(**text)) for kind, text in texts),
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
    first, second = (
        clip_tokenizer(pad=family.pads[0]) for family in (STABLE_DIFFUSION_1, STABLE_DIFFUSION_2)
    )
    assert first("", padding="max_length").input_ids[2:] == [49407] * 75
    assert second("", padding="max_length").input_ids[2:] == [0] * 75


@pytest.mark.parametrize(
    ("texts", "family"),
    [
        ([CLIP], STABLE_DIFFUSION_1),
        ([OPEN_CLIP], STABLE_DIFFUSION_2),
        ([XL_CLIP, XL_OPEN_CLIP], STABLE_DIFFUSION_XL),
    ],
)
def test_text_encoders_tell_the_family(texts: list[str], family: Family):
    shapes = dict.fromkeys(texts, (77, 8))
    for channels in (4, 9):
        assert recognise({FIRST: (8, channels, 3, 3), **shapes}, FILE) is family


@pytest.mark.parametrize(
    ("shapes", "sentence"),
    [
        ({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (8, 8)}, "is Flux"),
        ({"model.diffusion_model.joint_blocks.0.x_block.mlp.fc1.weight": (8, 8)}, "Diffusion 3"),
        (
            {FIRST: WEIGHT, "conditioner.embedders.0.model.positional_embedding": (77, 8)},
            "is the refiner of Stable Diffusion XL.*: give the base model",
        ),
        ({FIRST: WEIGHT, XL_CLIP: (77, 8)}, "has a UNet, but no text encoder .*conditioner"),
        (
            {FIRST: WEIGHT, XL_CLIP: (77, 8), XL_OPEN_CLIP: (77, 8), "edm_mean": (1, 4, 1, 1)},
            "is Playground",
        ),
        ({FIRST: (8, 7, 3, 3), OPEN_CLIP: (77, 8)}, "is an upscaling model"),
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
