"""A bundle's tokenizer folder."""

import shutil
from pathlib import Path

from transformers import CLIPTokenizer

from bundles.records import read_json
from core.errors import BundleError

FEWEST = 3
"""The start and end tokens, and one between."""


def load_tokenizer(model: Path) -> CLIPTokenizer:
    """Load a model's tokenizer; its `model_max_length` is what the text encoder can read.

    A tokenizer that names no length would give texts of any; one that names more tokens than the
    text encoder has positions gives texts that this cannot read.

    Args:
        model: The folder of a source or a bundle.

    Raises:
        BundleError: The tokenizer or the text encoder's configuration cannot be read, or the
            length has no room for a text.
    """
    folder = model / "tokenizer"
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"the tokenizer in {folder} cannot be read ({error}): give a complete Stable "
            "Diffusion model, or build the bundle again (`packshot model build SOURCE`)"
        ) from error
    encoder = read_json(model / "text_encoder" / "config.json")
    positions = int(encoder.get("max_position_embeddings") or 77)
    # Without a length transformers has 10^30, which is no index of anything.
    length = int(min(tokenizer.model_max_length or positions, positions))
    if length < FEWEST:
        raise BundleError(
            f"the tokenizer in {folder} and its text encoder read {length} tokens, which is less "
            f"than the {FEWEST} of a word: correct model_max_length in its tokenizer_config.json"
        )
    tokenizer.model_max_length = length
    return tokenizer


def save_tokenizer(model: Path, target: Path) -> None:
    """Copy a model's tokenizer, with a tokenizer.json and the length that the model reads.

    A process without transformers can read these. The older files come along for readers that
    look for them.

    Args:
        model: The folder of a source.
        target: The bundle's tokenizer folder.

    Raises:
        BundleError: The tokenizer cannot be used.
    """
    tokenizer = load_tokenizer(model)
    target.mkdir(parents=True, exist_ok=True)
    for file in (model / "tokenizer").iterdir():
        if file.suffix in (".json", ".txt") and file.is_file():
            shutil.copyfile(file, target / file.name)
    # A tokenizer.json of theirs may lack tokens that the files beside it have.
    tokenizer.save_pretrained(target)
