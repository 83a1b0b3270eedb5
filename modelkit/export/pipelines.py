"""What a pipeline of diffusers is made of that draws texts with a model, beside UNet and VAE."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from bundles.records import INDEX, SECOND_ENCODER, read_json, text_encoders, tokenizer_of
from modelkit.export.conversion import load_part


def text_to_image(index: Mapping[str, Any]) -> str:
    """Name the pipeline that draws texts with a model, also where its own one changes images.

    Args:
        index: The model's model_index.json.
    """
    return "StableDiffusionXLPipeline" if _is_xl(index) else "StableDiffusionPipeline"


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
        kind = CLIPTextModelWithProjection if name == SECOND_ENCODER else CLIPTextModel
        tokens = tokenizer_of(name)
        parts[name] = load(kind, source / name)
        parts[tokens] = CLIPTokenizer.from_pretrained(source / tokens, local_files_only=True)
    return parts


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
