"""Which models packshot makes bundles of, and whether a folder holds one with all its weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundles.records import (
    INDEX,
    SECOND_ENCODER,
    pipeline_kind,
    read_json,
    text_encoders,
    tokenizer_of,
)
from core.errors import BundleError
from modelkit.export.weights import Weights, find_weights

PIPELINES = (
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "LatentConsistencyModelPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionXLInpaintPipeline",
)
"""Pipelines that are made of the parts below, wired in one of two ways."""

CLASSES = {
    "text_encoder": ("CLIPTextModel",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
}
"""What each part must be; any scheduler is welcome."""

SECOND_CLASSES = {
    SECOND_ENCODER: ("CLIPTextModelWithProjection",),
    tokenizer_of(SECOND_ENCODER): ("CLIPTokenizer", "CLIPTokenizerFast"),
}
"""The same for what models of Stable Diffusion XL have besides."""

WEIGHTED = ("text_encoder", "unet", "vae")
"""Parts that every model has."""

SIZE_AND_POOLED_TEXT = "text_time"
"""What a UNet of Stable Diffusion XL calls its inputs beside latents and text."""

SUPPORTED = "give a Stable Diffusion 1.x, 2.x or XL model, or one built like these"
"""How a refusal ends."""

TIME_IDS = 6
"""Numbers by which a UNet of Stable Diffusion XL knows a size: height and width of the original,
where it was cropped (top, left), and height and width of the image."""

_PLAIN = (
    "class_embed_type",
    "num_class_embeds",
    "encoder_hid_dim_type",
    "attention_type",
)
"""Settings of a UNet that ask for inputs which Stable Diffusion has not."""


def check_architecture(folder: Path) -> None:
    """Check whether the folder's model_index.json names a pipeline that packshot knows.

    Raises:
        BundleError: It is another kind of model, or the file cannot be read.
    """
    index = read_json(folder / INDEX)
    kind = pipeline_kind(index)
    if kind not in PIPELINES:
        raise BundleError(
            f"{folder.name} is a {kind}, and packshot makes no bundles of Stable Diffusion 3, "
            f"Flux, InstructPix2Pix or video models: {SUPPORTED} ({', '.join(PIPELINES)})."
        )
    two = len(text_encoders(index)) > 1
    if two and (index.get("requires_aesthetics_score") or index.get("text_encoder") == [None] * 2):
        raise BundleError(
            f"{folder.name} is the refiner of Stable Diffusion XL, which draws nothing by itself: "
            "give the base model, whose images packshot does not refine."
        )
    for part, kinds in (CLASSES | (SECOND_CLASSES if two else {})).items():
        found = index.get(part)
        name = found[1] if isinstance(found, list) and len(found) == 2 else None
        if name not in kinds:
            raise BundleError(
                f"The {part} of {folder.name} is {name or 'missing'}, but must be {kinds[0]}: "
                f"{SUPPORTED}."
            )


def check_parts(folder: Path) -> dict[str, Weights]:
    """Check whether a folder in diffusers' layout is complete and its parts fit together.

    Returns:
        The weights of each part that has some.

    Raises:
        BundleError: A part is missing, damaged, pickled, or of another shape.
    """
    from modelkit.export.configuration import read_configuration  # noqa: PLC0415 - loads torch

    encoders = text_encoders(read_json(folder / INDEX))
    two = len(encoders) > 1
    _check_inputs(
        read_json(folder / "unet" / "config.json"), added=SIZE_AND_POOLED_TEXT if two else None
    )
    for encoder in encoders:
        check_tokenizer(folder / tokenizer_of(encoder))
    found = read_configuration(folder)
    for config in found.encoders.values():
        _check_text_encoder(config)
    _check_unet(
        found.unet,
        channels=found.vae["latent_channels"],
        text=sum(int(config["hidden_size"]) for config in found.encoders.values()),
    )
    if two:
        _check_additions(found.unet, pooled=int(found.encoders[SECOND_ENCODER]["projection_dim"]))
        _check_lengths(folder, encoders)
    return {part: find_weights(folder / part) for part in weighted_parts(folder)}


def weighted_parts(folder: Path) -> tuple[str, ...]:
    """Name the parts of a model in diffusers' layout that have weights."""
    return (*text_encoders(read_json(folder / INDEX)), "unet", "vae")


def check_tokenizer(folder: Path) -> None:
    """Check whether a tokenizer is complete, in its new form or the old one.

    Raises:
        BundleError: It is not.
    """
    if (folder / "tokenizer.json").is_file():
        return
    for name in ("vocab.json", "merges.txt"):
        if not (folder / name).is_file():
            raise BundleError(
                f"{folder / name} is missing: give a complete Stable Diffusion model in "
                "diffusers' layout."
            )


def _check_inputs(unet: Mapping[str, Any], *, added: str | None) -> None:
    """Check which inputs a UNet has beside latents and text; `added`: by which embedding."""
    for name in _PLAIN:
        if unet.get(name) not in (None, "default"):
            raise BundleError(
                f"The UNet has {name} {unet[name]}, and with it inputs that packshot does not "
                f"know: {SUPPORTED}."
            )
    if unet.get("addition_embed_type") != added:
        raise BundleError(
            f"The UNet has addition_embed_type {unet.get('addition_embed_type')}, but one of such "
            f"a model has {added}: its parts are of different families, so give one whose parts "
            "belong together."
        )


def _check_additions(unet: Mapping[str, Any], *, pooled: int) -> None:
    numbers = TIME_IDS * int(unet["addition_time_embed_dim"] or 0)
    if unet["projection_class_embeddings_input_dim"] != numbers + pooled:
        raise BundleError(
            f"The UNet reads {unet['projection_class_embeddings_input_dim']} numbers of a text and "
            f"a size, but the second text encoder gives {pooled} and the size {numbers}: these "
            "parts are of different models, so give one whose parts belong together."
        )


def _check_lengths(folder: Path, encoders: Sequence[str]) -> None:
    from bundles.layout import load_tokenizer  # noqa: PLC0415 - loads torch

    first, second = (load_tokenizer(folder, one).model_max_length for one in encoders)
    if first != second:
        raise BundleError(
            f"The tokenizers of {folder.name} read {first} and {second} tokens, and what their "
            "text encoders give cannot be joined: correct model_max_length in their "
            "tokenizer_config.json."
        )


def _check_text_encoder(text: Mapping[str, Any]) -> None:
    if text.get("use_attention_mask"):
        raise BundleError(
            "The text encoder has use_attention_mask, with which diffusers hides a prompt's "
            f"padding from it; packshot does not: {SUPPORTED}."
        )


def _check_unet(unet: Mapping[str, Any], *, channels: int, text: int) -> None:
    # An inpainting model's sees latents, a mask, and the latents of what is kept.
    known = (channels, 2 * channels + 1)
    if unet["in_channels"] not in known or unet["out_channels"] != channels:
        raise BundleError(
            f"The UNet takes {unet['in_channels']} channels and gives "
            f"{unet['out_channels']}, but the autoencoder has {channels}: give a model that takes "
            f"{known[0]}, or {known[1]} for inpainting, and not one for instructions "
            "(InstructPix2Pix), depth or upscaling."
        )
    if unet["cross_attention_dim"] != text:
        raise BundleError(
            f"The UNet reads text of {unet['cross_attention_dim']} features, but the text "
            f"encoder gives {text}: these parts are of different "
            "models, so give one whose parts belong together."
        )
