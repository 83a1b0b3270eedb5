"""A bundle's text encoders: one, or the two of Stable Diffusion XL, whose states are joined."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bundles.layout import POOLED, Config, penultimate_port
from bundles.records import SECOND_ENCODER
from worker.model import HIDDEN_STATES, Array, Conditioning
from worker.tokenizer import Tokenizer


class TextEncoder:
    """Reads texts for the UNet; one thread at a time may use it."""

    def __init__(
        self, folder: Path, encoders: Sequence[Config], compile_part: Callable[[str], Any]
    ) -> None:
        """Load tokenizers and encoders.

        Args:
            folder: The bundle.
            encoders: Their configurations, one or two.
            compile_part: Compiles a part of the bundle by its folder's name.

        Raises:
            BundleError: A part is missing or cannot be read.
        """
        self.tokenizer = Tokenizer(folder)
        """The first encoder's."""
        self._first = compile_part("text_encoder").create_infer_request()
        self._ports = [penultimate_port(one) for one in encoders]
        self._second: tuple[Tokenizer, Any] | None = None
        if len(encoders) > 1:
            request = compile_part(SECOND_ENCODER).create_infer_request()
            self._second = Tokenizer(folder, SECOND_ENCODER), request

    @property
    def pools(self) -> bool:
        """Return whether there are two, of which one gives what it makes of a whole text."""
        return self._second is not None

    def encode(self, texts: Sequence[str]) -> list[Conditioning]:
        """Encode texts; what exceeds the tokenizer's length is cut.

        Returns:
            For each text the states that the UNet attends to, (tokens, features); with two
            encoders those before the last layer of both side by side, and what the second one
            makes of the whole text.
        """
        _run(self._first, self.tokenizer, texts)
        if self._second is None:
            return [{HIDDEN_STATES: one} for one in _copy(self._first.get_output_tensor(0))]
        tokenizer, request = self._second
        _run(request, tokenizer, texts)
        first, second = (
            _copy(one.get_tensor(port))
            for one, port in zip((self._first, request), self._ports, strict=True)
        )
        states = np.concatenate([first, second], axis=-1)
        pooled = _copy(request.get_tensor(POOLED))
        return [
            {HIDDEN_STATES: one, POOLED: whole} for one, whole in zip(states, pooled, strict=True)
        ]


def _run(request: Any, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    port = request.model_inputs[0]
    request.infer({port.get_any_name(): tokenizer.ids(texts).astype(port.element_type.to_dtype())})


def _copy(tensor: Any) -> Array:
    return np.array(tensor.data, dtype=np.float32)
