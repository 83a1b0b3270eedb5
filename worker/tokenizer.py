"""Texts to token ids, as the bundle's CLIP tokenizer does it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundles.layout import load_tokenizer
from core.domain.texts import has_vectors, write_out


class Tokenizer:
    """A tokenizer of a bundle."""

    def __init__(self, bundle: Path, encoder: str = "text_encoder") -> None:
        """Load it.

        Args:
            bundle: The bundle's folder.
            encoder: The text encoder's folder there that it is for.

        Raises:
            BundleError: It cannot be read.
        """
        self._tokenizer = load_tokenizer(bundle, encoder)
        self.length = int(self._tokenizer.model_max_length)
        self._added = frozenset(self._tokenizer.added_tokens_encoder)
        self._has_vectors = has_vectors(self._added)

    def ids(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (texts, length) ids, padded or cut to the tokenizer's length."""
        encoded = self._tokenizer(
            [self._written_out(text) for text in texts],
            padding="max_length",
            max_length=self.length,
            truncation=True,
        )
        return np.asarray(encoded["input_ids"], dtype=np.int64)

    def end(self, text: str) -> int:
        """Return the index of a text's end token among its ids: the first, where it is the padding.

        CLIP reads a text's meaning off the state at this place (Radford et al. 2021, "Learning
        Transferable Visual Models From Natural Language Supervision", arXiv 2103.00020).
        """
        (ids,) = self.ids([text])
        found = np.flatnonzero(ids == self._tokenizer.eos_token_id)
        return int(found[0]) if found.size else self.length - 1

    def _written_out(self, text: str) -> str:
        if not self._has_vectors:
            return text
        return write_out(text, self._tokenizer.tokenize(text), self._added)
