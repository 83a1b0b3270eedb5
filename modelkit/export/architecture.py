"""Which models packshot makes bundles of, and whether a folder holds one with all its weights."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from bundles.records import INDEX, pipeline_kind, read_json
from core.errors import BundleError

STEMS = ("diffusion_pytorch_model", "model")
"""How diffusers and transformers call the weights of a part."""

VARIANTS = (None, "fp16")
"""Which of several copies is taken: the full one, else the half-precision one."""

PICKLED = (".bin", ".ckpt", ".pt", ".pth")
"""Files that run code of their maker's when they are read."""

_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
"""Types of weights; whole numbers beside them are positions and the like."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """Where a part's weights are, and how many."""

    files: tuple[Path, ...]
    variant: str | None
    """What `from_pretrained` calls this copy of them."""
    parameters: int


def find_weights(folder: Path) -> Weights:
    """Find the weights in a part's folder, and look whether they are whole.

    Raises:
        BundleError: There are none, they are pickled, or a file is missing, damaged or cut off.
    """
    variant, names = choose_weights([file.name for file in folder.glob("*")], where=str(folder))
    files = tuple(folder / name for name in names)
    return Weights(
        files=files, variant=variant, parameters=sum(_parameters(file) for file in files)
    )


def choose_weights(names: Collection[str], *, where: str) -> tuple[str | None, list[str]]:
    """Choose among the files of a part, of which there may be several copies.

    Args:
        names: Of the files in the part's folder, on this machine or elsewhere.
        where: What to call the folder in an error.

    Returns:
        The variant, as `from_pretrained` calls it, and the names of its files.

    Raises:
        BundleError: There are no weights, they are pickled, or some of several files are missing.
    """
    for stem in STEMS:
        for variant in VARIANTS:
            base = stem if variant is None else f"{stem}.{variant}"
            if f"{base}.safetensors" in names:
                return variant, [f"{base}.safetensors"]
            pattern = re.compile(rf"{re.escape(base)}-\d+-of-(?P<count>\d+)\.safetensors")
            found = sorted(filter(None, map(pattern.fullmatch, names)), key=lambda one: one[0])
            if found:
                if len(found) != int(found[0]["count"]):
                    raise BundleError(
                        f"{where} has {len(found)} of {int(found[0]['count'])} files of weights: "
                        "download or copy the model again"
                    )
                return variant, [one[0] for one in found]
    pickled = sorted(name for name in names if Path(name).suffix in PICKLED)
    if pickled:
        raise BundleError(
            f"{where} has its weights as {pickled[0]}, a pickle, which can run any code when it "
            "is read: packshot reads safetensors only. Ask the model's maker for these, or save "
            "the model again where you trust it, with diffusers' save_pretrained"
        )
    raise BundleError(f"{where} has no weights (safetensors): give a complete diffusers folder")


def _parameters(file: Path) -> int:
    try:
        with safe_open(file, framework="np") as tensors:
            slices = [tensors.get_slice(name) for name in tensors.keys()]  # noqa: SIM118 - no dict
            return sum(prod(one.get_shape()) for one in slices if one.get_dtype() in _FLOATS)
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"{file} is damaged or cut off ({error}): download or copy the model again"
        ) from error


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
    "vae": ("AutoencoderKL",),
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
            f"{folder.name} is a {kind}: packshot makes bundles of Stable Diffusion 1.x and 2.x "
            f"and of models built like these ({', '.join(PIPELINES)}), not of Stable Diffusion "
            "XL or 3, Flux, inpainting or video models"
        )
    for part, kinds in CLASSES.items():
        found = index.get(part)
        name = found[1] if isinstance(found, list) and len(found) == 2 else None
        if name not in kinds:
            raise BundleError(
                f"the {part} of {folder.name} is {name or 'missing'}, but must be {kinds[0]}: "
                "packshot makes bundles of Stable Diffusion 1.x and 2.x and models built like these"
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
                "diffusers' layout"
            )


def _check_inputs(unet: Mapping[str, Any]) -> None:
    for name in _PLAIN:
        if unet.get(name) not in (None, "default"):
            raise BundleError(
                f"the UNet has {name} {unet[name]}, and with it inputs that packshot does not "
                "know: give a Stable Diffusion 1.x or 2.x model, or one built like these"
            )


def _check_text_encoder(text: Mapping[str, Any]) -> None:
    if text.get("use_attention_mask"):
        raise BundleError(
            "the text encoder has use_attention_mask, with which diffusers hides a prompt's "
            "padding from it; packshot does not: give a Stable Diffusion 1.x or 2.x model"
        )


def _check_unet(unet: Mapping[str, Any], *, channels: int, text: Mapping[str, Any]) -> None:
    if (unet["in_channels"], unet["out_channels"]) != (channels, channels):
        raise BundleError(
            f"the UNet takes {unet['in_channels']} channels and gives "
            f"{unet['out_channels']}, but the autoencoder has {channels}: packshot makes "
            "bundles of text-to-image models, not of inpainting, depth or upscaling ones"
        )
    if unet["cross_attention_dim"] != text["hidden_size"]:
        raise BundleError(
            f"the UNet reads text of {unet['cross_attention_dim']} features, but the text "
            f"encoder gives {text['hidden_size']}: these parts are of different models"
        )
