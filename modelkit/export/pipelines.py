"""What a pipeline of diffusers is made of that draws texts with a model, beside UNet and VAE."""

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from bundles.layout import CLIP_SKIP
from bundles.records import INDEX, SECOND_ENCODER, read_json, text_encoders, tokenizer_of
from modelkit.export.conversion import load_part


def text_to_image(index: Mapping[str, Any], unet: Mapping[str, Any]) -> str:
    """Name the pipeline that draws texts with a model, also where its own one changes images.

    Args:
        index: The model's model_index.json.
        unet: The configuration of its UNet; one that inpaints draws over an image.
    """
    xl = "XL" if _is_xl(index) else ""
    return f"StableDiffusion{xl}{'Inpaint' if inpaints(unet) else ''}Pipeline"


def inpaints(unet: Mapping[str, Any]) -> bool:
    """Check whether a UNet sees a mask, and what is kept of a picture, beside latents.

    Args:
        unet: Its configuration, complete.
    """
    return bool(unet["in_channels"] != unet["out_channels"])


def text_parts(source: Path, load: Callable[[Any, Path], Any] = load_part) -> dict[str, Any]:
    """Load the text encoders of a model and their tokenizers, by their names in a pipeline.

    Args:
        source: A folder in diffusers' layout.
        load: Loads a part of a class from its folder.

    Raises:
        BundleError: An encoder is missing or damaged.
        OSError: A tokenizer is.
        ValueError: It is, too.
    """
    parts: dict[str, Any] = {}
    for name in text_encoders(read_json(source / INDEX)):
        tokens = tokenizer_of(name)
        parts[name] = load(encoder_class(name), source / name)
        parts[tokens] = CLIPTokenizer.from_pretrained(source / tokens, local_files_only=True)
    return parts


def encoder_class(name: str) -> Any:
    """Return the class of a model's text encoder, by its folder's name."""
    return CLIPTextModelWithProjection if name == SECOND_ENCODER else CLIPTextModel


def text_options(pipeline: Any, *, width: int, height: int) -> dict[str, Any]:
    """Return what a pipeline is called with beside a text, as its parts' configurations say.

    Args:
        pipeline: One of diffusers.
        width: Of the image, in pixels.
        height: The same.

    Returns:
        Which layers of text encoders are left out; and for a UNet that inpaints an image of which
        nothing is kept.
    """
    skipped = getattr(pipeline.text_encoder.config, CLIP_SKIP, None)
    options: dict[str, Any] = {CLIP_SKIP: skipped} if skipped else {}
    if inpaints(pipeline.unet.config):
        size = (width, height)
        options |= {
            "image": Image.new("RGB", size),
            "mask_image": Image.new("L", size, 255),
            "strength": 1.0,
        }
    return options


def rescale_option(pipeline: Any, share: float) -> dict[str, float]:
    """Return what a pipeline is called with to rescale guidance; not every one can.

    Args:
        pipeline: One of diffusers.
        share: As `Defaults.guidance_rescale`.
    """
    knows = "guidance_rescale" in signature(pipeline.__call__).parameters
    return {"guidance_rescale": share} if knows else {}


def left_out(index: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else the constructor of `text_to_image` is given: what draws nothing is None.

    Args:
        index: The model's model_index.json.
    """
    if not _is_xl(index):
        return {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    # A watermark is the service's business, and diffusers' depends on what is installed.
    given: dict[str, Any] = {"add_watermarker": False}
    name = "force_zeros_for_empty_prompt"
    return given | ({name: index[name]} if name in index else {})


def _is_xl(index: Mapping[str, Any]) -> bool:
    return len(text_encoders(index)) > 1
