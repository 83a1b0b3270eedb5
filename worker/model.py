"""What the engine needs of a model, and nothing more."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Model(Protocol):
    """The compiled model as the engine sees it; `worker.pipeline.Pipeline` is one."""

    @property
    def scheduler_config(self) -> Mapping[str, Any]:
        """The bundle's `scheduler_config.json`."""

    @property
    def embeds_guidance(self) -> bool:
        """Whether the UNet takes the guidance scale as an input (as distilled ones do)."""

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        """Give the latents' (channels, height, width) of an image size in pixels."""

    def encode(self, texts: Sequence[str]) -> Array:
        """Encode texts to (texts, tokens, features)."""

    def predict(
        self, samples: Array, timesteps: Sequence[float], states: Array, guidance: Sequence[float]
    ) -> Array:
        """Run the UNet once on (rows, channels, height, width); give the same shape."""

    def decode(self, latents: Array) -> NDArray[np.uint8]:
        """Decode (images, channels, height, width) to RGB (images, height, width, 3)."""
