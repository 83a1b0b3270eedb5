"""What the engine needs of a model, and nothing more."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bundles.manifest import BlockCache, DeepCache

Array = NDArray[np.float32]

Conditioning = Mapping[str, Array]
"""What conditions the UNet, by the name of the UNet's input: of one row without the dimension of
rows, of a call with it."""

HIDDEN_STATES = "encoder_hidden_states"
"""The input for the text encoder's last hidden state, (tokens, features)."""

Features = Mapping[str, Array]
"""One UNet row's features by name, without the dimension of rows."""


@dataclass(frozen=True, kw_only=True)
class StepInputs:
    """One UNet call's rows."""

    samples: Array
    """(rows, channels, height, width)."""
    timesteps: Sequence[float]
    conditioning: Conditioning
    """(rows, …) for each input."""
    taken: Sequence[Features] = ()
    """For each row, the features that it brings from an earlier step: the same ones for all, which
    decide the variant of the UNet that runs. Empty: none for any."""
    kept: Sequence[Collection[str]] = ()
    """For each row, which of the features that the variant leaves it will want later. Empty: none
    for any."""

    @property
    def takes(self) -> frozenset[str]:
        """Return the names of the features that its rows bring."""
        return frozenset(self.taken[0]) if self.taken else frozenset()


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageLatents:
    """What the autoencoder makes of one image: a normal distribution for each number."""

    mean: Array
    """(channels, height, width), scaled as the UNet's are."""
    deviation: Array | None
    """Of the same shape: the standard deviation; None: the autoencoder knows of none."""


def stack(rows: Sequence[Conditioning]) -> Conditioning:
    """Stack the conditioning of rows for a call; all have the same inputs."""
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def lengthened(text: Conditioning, empty: Conditioning, tokens: int) -> Conditioning:
    """Return a text's conditioning with empty texts behind it, to so many tokens."""
    states, more = text[HIDDEN_STATES], empty[HIDDEN_STATES]
    times = (tokens - len(states)) // len(more)
    return {**text, HIDDEN_STATES: np.concatenate([states, *[more] * times])}


class Model(Protocol):
    """The compiled model as the engine sees it; `worker.pipeline.Pipeline` is one."""

    @property
    def scheduler_config(self) -> Mapping[str, Any]:
        """The bundle's `scheduler_config.json`."""

    @property
    def embeds_guidance(self) -> bool:
        """Return whether the UNet takes the guidance scale as an input (as distilled ones do)."""

    @property
    def taught(self) -> Collection[str]:
        """What its tokenizer was taught beside CLIP's tokens: `ModelInput.taught`."""

    @property
    def zeroes_empty_negative(self) -> bool:
        """Return whether no negative prompt is zeros to the UNet, and not the empty text."""

    @property
    def inpaints(self) -> bool:
        """Return whether the UNet sees a mask, and what is kept of a picture, beside latents."""

    @property
    def precision(self) -> str:
        """What UNet and decoder compute in, as OpenVINO calls it: `f32`, `bf16` or `f16`."""

    @property
    def feature_caching(self) -> DeepCache | BlockCache | None:
        """What pictures keep between their steps; None: nothing."""

    @property
    def alignment(self) -> Mapping[str, Array] | None:
        """Return scales and shifts of kept features, if there are any; see `worker.features`."""

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        """Return the latents' (channels, height, width) of an image size in pixels."""

    def encode(self, texts: Sequence[str]) -> Sequence[Conditioning]:
        """Encode texts: return what each conditions the UNet with."""

    def conditioning(self, *, guidance_scale: float, width: int, height: int) -> Conditioning:
        """Return what conditions a row beside its text; `width` and `height` are in pixels."""

    def predict(self, inputs: StepInputs) -> tuple[Array, Sequence[Features]]:
        """Run the UNet once.

        Returns:
            (rows, channels of the latents, height, width), and each row's own copy of the features
            that it keeps.
        """

    def encode_images(self, images: Array) -> Sequence[ImageLatents]:
        """Encode RGB images, (images, height, width, 3) within -1 to 1, in one call."""

    def decode(self, latents: Array) -> NDArray[np.uint8]:
        """Decode (images, channels, height, width) to RGB (images, height, width, 3)."""
