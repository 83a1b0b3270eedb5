"""Texts to token ids, as the bundle's CLIP tokenizer does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundles.layout import load_tokenizer
from bundles.manifest import PromptReading
from core.domain.prompt_weights import WeightedText, read_weights
from core.domain.texts import has_vectors, write_out

SPECIAL = 2
"""The start and end tokens of a chunk."""

AS_CLIP = PromptReading()
"""One text of the encoder's length, and brackets are brackets."""


class SeveralChunksError(ValueError):
    """No single state stands for the whole of a text that is read in several chunks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Chunk:
    """What of a text the encoder reads at once."""

    ids: NDArray[np.int64]
    """(length,), with start and end tokens, padded."""
    weights: NDArray[np.float32]
    """(length,): 1 where nothing else was said."""


class Tokenizer:
    """A tokenizer of a bundle."""

    def __init__(
        self, bundle: Path, encoder: str = "text_encoder", reading: PromptReading = AS_CLIP
    ) -> None:
        """Load it.

        Args:
            bundle: The bundle's folder.
            encoder: The text encoder's folder there that it is for.
            reading: Whether prompts may be longer, and have weights.

        Raises:
            BundleError: It cannot be read.
        """
        self._tokenizer = load_tokenizer(bundle, encoder)
        self._reading = reading
        self.length = int(self._tokenizer.model_max_length)
        self._added = frozenset(self._tokenizer.added_tokens_encoder)
        self._has_vectors = has_vectors(self._added)

    def ids(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (texts, length) ids of each text's first chunk."""
        return np.stack([self.chunks(text)[0].ids for text in texts])

    def chunks(self, text: str) -> list[Chunk]:
        """Return what the encoder reads of a text, at least one chunk; the rest is cut."""
        room = self.length - SPECIAL
        ids: list[int] = []
        weights: list[float] = []
        for part in self._parts(text):
            fresh = self._tokenizer(
                self._written_out(part.text), add_special_tokens=False, verbose=False
            )["input_ids"]
            ids += fresh
            weights += [part.weight] * len(fresh)
        end = min(max(len(ids), 1), self._reading.chunks * room)
        return [
            self._chunk(ids[start : start + room], weights[start : start + room])
            for start in range(0, end, room)
        ]

    def end(self, text: str) -> int:
        """Return the index of a text's end token among its ids: the first, where it is the padding.

        CLIP reads a text's meaning off the state at this place (Radford et al. 2021, "Learning
        Transferable Visual Models From Natural Language Supervision", arXiv 2103.00020).

        Raises:
            SeveralChunksError: There are several.
        """
        first, *more = self.chunks(text)
        if more:
            raise SeveralChunksError(f"the text is read in {len(more) + 1} chunks")
        ids = first.ids
        found = np.flatnonzero(ids == self._tokenizer.eos_token_id)
        return int(found[0]) if found.size else self.length - 1

    def _parts(self, text: str) -> Sequence[WeightedText]:
        return read_weights(text) if self._reading.weights else [WeightedText(text)]

    def _chunk(self, ids: Sequence[int], weights: Sequence[float]) -> Chunk:
        tokenizer, padding = self._tokenizer, self.length - SPECIAL - len(ids)
        padded = [
            tokenizer.bos_token_id,
            *ids,
            tokenizer.eos_token_id,
            *[tokenizer.pad_token_id] * padding,
        ]
        return Chunk(
            ids=np.asarray(padded, np.int64),
            weights=np.asarray([1.0, *weights, *[1.0] * (padding + 1)], np.float32),
        )

    def _written_out(self, text: str) -> str:
        if not self._has_vectors:
            return text
        return write_out(text, self._tokenizer.tokenize(text), self._added)
