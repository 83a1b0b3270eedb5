"""Which models packshot makes bundles of, and whether a folder holds one with all its weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundles.records import INDEX, pipeline_kind, read_json
from core.errors import BundleError
from modelkit.export.weights import Weights, find_weights

PIPELINES = (
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "LatentConsistencyModelPipeline",
)
"""Pipelines that are made of the four parts below, wired in the same way."""

CLASSES = {
    "text_encoder": ("CLIPTextModel",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
}
"""What each part must be; any scheduler is welcome."""

WEIGHTED = ("text_encoder", "unet", "vae")

_PLAIN = (
    "addition_embed_type",
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
            f"{folder.name} is a {kind}, and packshot makes no bundles of Stable Diffusion XL or "
            "3, Flux, inpainting or video models: give a Stable Diffusion 1.x or 2.x model, or one "
            f"built like these ({', '.join(PIPELINES)})."
        )
    for part, kinds in CLASSES.items():
        found = index.get(part)
        name = found[1] if isinstance(found, list) and len(found) == 2 else None
        if name not in kinds:
            raise BundleError(
                f"The {part} of {folder.name} is {name or 'missing'}, but must be {kinds[0]}: "
                "give a Stable Diffusion 1.x or 2.x model, or one built like these."
            )


def check_parts(folder: Path) -> dict[str, Weights]:
    """Check whether a folder in diffusers' layout is complete and its parts fit together.

    Returns:
        The weights of each part that has some.

    Raises:
        BundleError: A part is missing, damaged, pickled, or of another shape.
    """
    from modelkit.export.configuration import read_configuration  # noqa: PLC0415 - loads torch

    _check_inputs(read_json(folder / "unet" / "config.json"))
    check_tokenizer(folder / "tokenizer")
    found = read_configuration(folder)
    _check_text_encoder(found.text_encoder)
    _check_unet(found.unet, channels=found.vae["latent_channels"], text=found.text_encoder)
    return {part: find_weights(folder / part) for part in WEIGHTED}


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


def _check_inputs(unet: Mapping[str, Any]) -> None:
    for name in _PLAIN:
        if unet.get(name) not in (None, "default"):
            raise BundleError(
                f"The UNet has {name} {unet[name]}, and with it inputs that packshot does not "
                "know: give a Stable Diffusion 1.x or 2.x model, or one built like these."
            )


def _check_text_encoder(text: Mapping[str, Any]) -> None:
    if text.get("use_attention_mask"):
        raise BundleError(
            "The text encoder has use_attention_mask, with which diffusers hides a prompt's "
            "padding from it; packshot does not: give a Stable Diffusion 1.x or 2.x model."
        )


def _check_unet(unet: Mapping[str, Any], *, channels: int, text: Mapping[str, Any]) -> None:
    if (unet["in_channels"], unet["out_channels"]) != (channels, channels):
        raise BundleError(
            f"The UNet takes {unet['in_channels']} channels and gives "
            f"{unet['out_channels']}, but the autoencoder has {channels}: give a "
            "text-to-image model, not one for inpainting, depth or upscaling."
        )
    if unet["cross_attention_dim"] != text["hidden_size"]:
        raise BundleError(
            f"The UNet reads text of {unet['cross_attention_dim']} features, but the text "
            f"encoder gives {text['hidden_size']}: these parts are of different "
            "models, so give one whose parts belong together."
        )
