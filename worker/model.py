"""What the engine needs of a model, and nothing more."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bundles.manifest import BlockCache, DeepCache

Array = NDArray[np.float32]


Features = Mapping[str, Array]
"""One UNet row's features by name, without the dimension of rows."""


@dataclass(frozen=True, kw_only=True)
class StepInputs:
    """One UNet call's rows."""

    samples: Array
    """(rows, channels, height, width)."""
    timesteps: Sequence[float]
    states: Array
    """(rows, tokens, features)."""
    guidance: Sequence[float]
    taken: Sequence[Features]
    """For each row, the features that the variant takes."""
    kept: Sequence[Collection[str]]
    """For each row, which of the features that the variant leaves it will want later."""


class Model(Protocol):
    """The compiled model as the engine sees it; `worker.pipeline.Pipeline` is one."""

    @property
    def scheduler_config(self) -> Mapping[str, Any]:
        """The bundle's `scheduler_config.json`."""

    @property
    def embeds_guidance(self) -> bool:
        """Whether the UNet takes the guidance scale as an input (as distilled ones do)."""

    @property
    def taught(self) -> Collection[str]:
        """What its tokenizer was taught beside CLIP's tokens; see `core.domain.model_input`."""

    @property
    def precision(self) -> str:
        """What UNet and decoder compute in, as OpenVINO calls it: `f32`, `bf16` or `f16`."""

    @property
    def feature_caching(self) -> DeepCache | BlockCache | None:
        """What pictures keep between their steps; None: nothing."""

    @property
    def alignment(self) -> Mapping[str, Array] | None:
        """Scales and shifts of kept features, where there are some; see `worker.features`."""

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        """Give the latents' (channels, height, width) of an image size in pixels."""

    def encode(self, texts: Sequence[str]) -> Array:
        """Encode texts to (texts, tokens, features)."""

    def predict(
        self, samples: Array, timesteps: Sequence[float], states: Array, guidance: Sequence[float]
    ) -> Array:
        """Run the UNet once on (rows, channels, height, width); give the same shape."""

    def predict_step(self, place: int, inputs: StepInputs) -> tuple[Array, list[Features]]:
        """Run a variant of the UNet once; asked only where `feature_caching` says that there are.

        Args:
            place: The variant's, in `feature_caching.variants`.
            inputs: What the call's rows bring.

        Returns:
            What `predict` gives, and each row's own copy of the features that it keeps.
        """

    def decode(self, latents: Array) -> NDArray[np.uint8]:
        """Decode (images, channels, height, width) to RGB (images, height, width, 3)."""
