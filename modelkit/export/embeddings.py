"""Words that a text encoder is taught, and layers of it that are left out.

Textual inversion: Gal et al. 2022, "An Image is Worth One Word", arXiv 2208.01618.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diffusers import StableDiffusionPipeline
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from bundles.layout import CLIP_SKIP
from bundles.records import SECOND_ENCODER
from core.errors import BundleError
from modelkit.export.additions import Embedding

_OF_A1111 = "emb_params"
"""What other programs call the one tensor of their files, which name no word."""

_OF_XL = {"clip_l": "text_encoder", "clip_g": SECOND_ENCODER}
"""Tensors of files for Stable Diffusion XL, which name no word, and whose vectors they are."""


def teach(
    encoders: Mapping[str, Any],
    tokenizers: Mapping[str, CLIPTokenizer],
    embeddings: Sequence[Embedding],
) -> None:
    """Teach a model's text encoders and their tokenizers words, as diffusers does it.

    Args:
        encoders: One or two, by their folders.
        tokenizers: Those of each encoder.
        embeddings: The words.

    Raises:
        BundleError: A file cannot be read, is of another model, or its word is known already.
    """
    pipelines = {name: _pipeline(one, tokenizers[name]) for name, one in encoders.items()}
    for one in embeddings:
        token, vectors = read_embedding(one)
        if set(vectors) != set(encoders):
            found, known = (_of_family(names) for names in (vectors, encoders))
            raise BundleError(
                f"{one.file} was made for {found}, and this is a model of {known}: give one for "
                "that."
            )
        for name, pipeline in pipelines.items():
            _check_width(one, vectors[name], encoders[name])
            try:
                pipeline.load_textual_inversion({token: vectors[name]})
            except ValueError as error:
                raise BundleError(
                    f"The model knows the word {token} already: give {one.file.name} another one, "
                    f"such as --embedding {one.file.name}:{token}-2."
                ) from error


def _pipeline(encoder: Any, tokenizer: CLIPTokenizer) -> StableDiffusionPipeline:
    """Return what teaches one encoder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return StableDiffusionPipeline(
            vae=None, text_encoder=encoder, tokenizer=tokenizer, unet=None, scheduler=None,
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip


def _check_width(one: Embedding, vectors: Tensor, encoder: Any) -> None:
    width = encoder.get_input_embeddings().weight.shape[-1]
    if vectors.shape[-1] != width:
        raise BundleError(
            f"{one.file} has vectors of {vectors.shape[-1]} numbers, but the model's text "
            f"encoder reads {width}: give one that was made for this family of models."
        )


def _of_family(encoders: Iterable[str]) -> str:
    return "Stable Diffusion XL" if SECOND_ENCODER in encoders else "Stable Diffusion 1.x or 2.x"


def read_embedding(one: Embedding) -> tuple[str, dict[str, Tensor]]:
    """Read a file of vectors.

    Returns:
        Its word, and for each text encoder, by its folder, its vectors (vectors, features), or one
        (features).

    Raises:
        BundleError: It cannot be read, or is no textual inversion.
    """
    try:
        tensors = load_file(one.file)
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"{one.file} is damaged or cut off ({error}): download or copy it again."
        ) from error
    if set(tensors) == set(_OF_XL):
        vectors = {encoder: tensors[name].float() for name, encoder in _OF_XL.items()}
        return one.token or one.file.stem, vectors
    if len(tensors) != 1:
        raise BundleError(
            f"{one.file} is no textual inversion: it has {len(tensors)} tensors instead of one, or "
            f"of {' and '.join(_OF_XL)}. Give a LoRA with --lora, and an autoencoder with --vae."
        )
    ((name, only),) = tensors.items()
    known = one.file.stem if name == _OF_A1111 else name
    return one.token or known, {"text_encoder": only.float()}


def skip_layers(encoders: Mapping[str, Any], count: int, folder: Path) -> None:
    """Have the text encoders' last layers not be read: what diffusers calls `clip_skip`.

    A single encoder loses them. Of two, the second one reads a whole text with all its layers, so
    that their configuration says which states are taken.

    Raises:
        BundleError: They have not more than that.
    """
    if len(encoders) == 1:
        leave_out_layers(next(iter(encoders.values())), count, folder)
        return
    # The states before the last layer are taken, and one layer is before these.
    most = min(one.config.num_hidden_layers for one in encoders.values()) - 2
    if count > most:
        raise BundleError(
            f"The text encoders of {folder.name} have {most + 2} layers or more: --clip-skip can "
            f"leave out {most} at most."
        )
    for encoder in encoders.values():
        setattr(encoder.config, CLIP_SKIP, count)


def leave_out_layers(encoder: CLIPTextModel, count: int, folder: Path) -> None:
    """Leave out a text encoder's last layers: what diffusers calls `clip_skip`.

    Raises:
        BundleError: It has not more than that.
    """
    inner = getattr(encoder, "text_model", encoder)
    layers = inner.encoder.layers
    if count >= len(layers):
        raise BundleError(
            f"The text encoder of {folder.name} has {len(layers)} layers: --clip-skip can leave "
            f"out {len(layers) - 1} at most."
        )
    inner.encoder.layers = layers[: len(layers) - count]
    encoder.config.num_hidden_layers = len(layers) - count
