"""Texts to token ids, as the bundle's CLIP tokenizer does it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import CLIPTokenizer

from core.errors import BundleError


class Tokenizer:
    """The tokenizer folder of a bundle."""

    def __init__(self, folder: Path) -> None:
        try:
            self._tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise BundleError(
                f"The tokenizer in {folder} cannot be read ({error}). "
                "Build the bundle again: `packshot model build SOURCE`."
            ) from error
        self.length = int(self._tokenizer.model_max_length)

    def ids(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Give (texts, length) ids: padded, or cut, to the tokenizer's length."""
        encoded = self._tokenizer(
            list(texts), padding="max_length", max_length=self.length, truncation=True
        )
        return np.asarray(encoded["input_ids"], dtype=np.int64)

    def end(self, text: str) -> int:
        """Give the place of a text's end token among its ids: the first, where it is the padding.

        CLIP reads a text's meaning off the state at this place (Radford et al. 2021, "Learning
        Transferable Visual Models From Natural Language Supervision", arXiv 2103.00020).
        """
        (ids,) = self.ids([text])
        found = np.flatnonzero(ids == self._tokenizer.eos_token_id)
        return int(found[0]) if found.size else self.length - 1
