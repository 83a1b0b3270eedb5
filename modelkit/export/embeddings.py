"""Words that a text encoder is taught, and layers of it that are left out.

Textual inversion: Gal et al. 2022, "An Image is Worth One Word", arXiv 2208.01618.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from diffusers import StableDiffusionPipeline
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from core.errors import BundleError
from modelkit.export.additions import Embedding

_OF_A1111 = "emb_params"
"""What other programs call the one tensor of their files, which name no word."""

_OF_XL = frozenset({"clip_l", "clip_g"})


def teach(
    encoder: CLIPTextModel, tokenizer: CLIPTokenizer, embeddings: Sequence[Embedding]
) -> None:
    """Teach a text encoder and its tokenizer words, as diffusers does it.

    Raises:
        BundleError: A file cannot be read, is of another model, or its word is known already.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = StableDiffusionPipeline(
            vae=None, text_encoder=encoder, tokenizer=tokenizer, unet=None, scheduler=None,
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
    for one in embeddings:
        token, vectors = read_embedding(one)
        width = encoder.get_input_embeddings().weight.shape[-1]
        if vectors.shape[-1] != width:
            raise BundleError(
                f"{one.file} has vectors of {vectors.shape[-1]} numbers, but the model's text "
                f"encoder reads {width}: give one that was made for this family of models."
            )
        try:
            pipeline.load_textual_inversion({token: vectors})
        except ValueError as error:
            raise BundleError(
                f"The model knows the word {token} already: give {one.file.name} another one, "
                f"such as --embedding {one.file.name}:{token}-2."
            ) from error


def read_embedding(one: Embedding) -> tuple[str, Tensor]:
    """Read a file of vectors.

    Returns:
        Its word, and its vectors (vectors, features), or one (features).

    Raises:
        BundleError: It cannot be read, or is no textual inversion of these models.
    """
    try:
        tensors = load_file(one.file)
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"{one.file} is damaged or cut off ({error}): download or copy it again."
        ) from error
    if set(tensors) == _OF_XL:
        raise BundleError(f"{one.file} was made for Stable Diffusion XL: give one for this model.")
    if len(tensors) != 1:
        raise BundleError(
            f"{one.file} is no textual inversion: it has {len(tensors)} tensors instead of one. "
            "Give a LoRA with --lora, and an autoencoder with --vae."
        )
    ((name, vectors),) = tensors.items()
    known = one.file.stem if name == _OF_A1111 else name
    return one.token or known, vectors.float()


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
