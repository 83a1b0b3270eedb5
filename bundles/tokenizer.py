"""A bundle's tokenizer folder."""

import shutil
from pathlib import Path

from transformers import CLIPTokenizer

from core.errors import BundleError


def save_tokenizer(source: Path, target: Path) -> None:
    """Copy a CLIP tokenizer, and make sure of tokenizer.json.

    A process without transformers can read that. The older files come along for readers that look
    for them.

    Raises:
        BundleError: The tokenizer cannot be read.
    """
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.suffix in (".json", ".txt") and file.is_file():
            shutil.copyfile(file, target / file.name)
    if (target / "tokenizer.json").is_file():
        return
    try:
        CLIPTokenizer.from_pretrained(source, local_files_only=True).save_pretrained(target)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{source} cannot be read ({error}): give a complete Stable Diffusion model"
        ) from error
