"""A bundle's text encoders: one, or the two of Stable Diffusion XL, whose states are joined."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bundles.layout import POOLED, Config, penultimate_port
from bundles.manifest import PromptReading
from bundles.records import SECOND_ENCODER
from worker.model import HIDDEN_STATES, Array, Conditioning
from worker.tokenizer import AS_CLIP, Chunk, Tokenizer


@dataclass(frozen=True, kw_only=True, eq=False)
class _Encoder:
    """A compiled encoder with its tokenizer."""

    tokenizer: Tokenizer
    request: Any
    states: str | int
    """Its output for the states: a name, or an index."""

    def encode(self, chunks: Sequence[Chunk]) -> Array:
        """Return (chunks, tokens, features), not weighted."""
        port = self.request.model_inputs[0]
        ids = np.stack([one.ids for one in chunks])
        self.request.infer({port.get_any_name(): ids.astype(port.element_type.to_dtype())})
        by_index = isinstance(self.states, int)
        get = self.request.get_output_tensor if by_index else self.request.get_tensor
        return _copy(get(self.states))


class TextEncoder:
    """Reads texts for the UNet; one thread at a time may use it."""

    def __init__(
        self,
        folder: Path,
        encoders: Sequence[Config],
        compile_part: Callable[[str], Any],
        reading: PromptReading = AS_CLIP,
    ) -> None:
        """Load tokenizers and encoders.

        Args:
            folder: The bundle.
            encoders: Their configurations, one or two.
            compile_part: Compiles a part of the bundle by its folder's name.
            reading: Whether prompts may be longer than an encoder reads, and have weights.

        Raises:
            BundleError: A part is missing or cannot be read.
        """
        names = ("text_encoder", SECOND_ENCODER)[: len(encoders)]
        self._encoders = [
            _Encoder(
                tokenizer=Tokenizer(folder, name, reading),
                request=compile_part(name).create_infer_request(),
                states=penultimate_port(config) if len(encoders) > 1 else 0,
            )
            for name, config in zip(names, encoders, strict=True)
        ]
        self.tokenizer = self._encoders[0].tokenizer
        """The first encoder's."""

    @property
    def pools(self) -> bool:
        """Return whether there are two, of which one gives what it makes of a whole text."""
        return len(self._encoders) > 1

    def encode(self, texts: Sequence[str]) -> list[Conditioning]:
        """Encode texts; what is longer than the bundle reads is cut.

        The states of a text of several chunks follow each other. Those of weighted words are
        multiplied by their weights. With one encoder the mean of a chunk's states is then restored;
        with two it is not (docs/decisions/0075-prompt-weights.md).

        Returns:
            For each text the states that the UNet attends to, (tokens, features); with two
            encoders those before the last layer of both side by side, and what the second one
            makes of the text's first chunk, which no weight changes.
        """
        read = [self._read(text) for text in texts]
        states = np.concatenate(
            [self._states(number, read) for number in range(len(self._encoders))], axis=-1
        )
        starts = list(accumulate(map(len, read), initial=0))
        encoded: list[Conditioning] = [
            {HIDDEN_STATES: states[start:end].reshape(-1, states.shape[-1])}
            for start, end in pairwise(starts)
        ]
        if not self.pools:
            return encoded
        pooled = _copy(self._encoders[-1].request.get_tensor(POOLED))
        return [
            {**one, POOLED: pooled[start]} for one, start in zip(encoded, starts[:-1], strict=True)
        ]

    def _read(self, text: str) -> list[tuple[Chunk, ...]]:
        """Return a text's chunks, each as every encoder's tokenizer has it.

        Tokenizers may have other words. What one of them reads in fewer chunks ends with empty
        texts.
        """
        chunks = [one.tokenizer.chunks(text) for one in self._encoders]
        most = max(map(len, chunks))
        filled = [
            own + encoder.tokenizer.chunks("") * (most - len(own))
            for own, encoder in zip(chunks, self._encoders, strict=True)
        ]
        return list(zip(*filled, strict=True))

    def _states(self, number: int, texts: Sequence[Sequence[tuple[Chunk, ...]]]) -> Array:
        chunks = [each[number] for text in texts for each in text]
        states = self._encoders[number].encode(chunks)
        for one, chunk in zip(states, chunks, strict=True):
            if (chunk.weights != 1).any():
                _weigh(one, chunk.weights, restore=not self.pools)
        return states


def _weigh(states: Array, weights: Array, *, restore: bool) -> None:
    """Multiply a chunk's states, (tokens, features), by their weights, in place."""
    before = states.mean(dtype=np.float64)
    states *= weights[:, None]
    after = states.mean(dtype=np.float64)
    if restore and after:
        states *= before / after


def _copy(tensor: Any) -> Array:
    return np.array(tensor.data, dtype=np.float32)
