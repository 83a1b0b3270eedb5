"""The encoder of a bundle's autoencoder: images to latents, compiled when the first image comes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from core.errors import BundleError
from worker.finite import check_finite
from worker.model import Array, ImageLatents

LATENTS = "latents"
"""What an encoder's output is called that gives latents, and no distribution of them."""

LOG_VARIANCES = (-30.0, 20.0)
"""Between which `diffusers` keeps them (`DiagonalGaussianDistribution`)."""


class ImageEncoder:
    """Makes latents of images; one thread calls it.

    Most workers see no image, and it would cost all of them memory.
    """

    def __init__(self, compiled: Callable[[], Any], *, channels: int, scale: float) -> None:
        """Make one that has not been compiled yet.

        Args:
            compiled: Compiles the graph.
            channels: Of the latents.
            scale: What the UNet's latents are multiplied by.
        """
        self._compiled = compiled
        self._channels = channels
        self._scale = np.float32(scale)
        self._request: Any = None

    def encode(self, images: Array) -> list[ImageLatents]:
        """Encode (images, height, width, 3), RGB within -1 to 1, in one call.

        Raises:
            BundleError: The bundle has no encoder, or one that gives no distribution.
            NotFiniteError: What it gave is not finite.
        """
        if self._request is None:
            self._request = self._compiled().create_infer_request()
        self._request.infer([np.ascontiguousarray(images.transpose(0, 3, 1, 2))])
        moments = np.array(self._request.get_output_tensor(0).data, dtype=np.float32)
        if self._request.model_outputs[0].get_any_name() == LATENTS:
            check_finite("the encoder's output", moments, precision="f32")
            return [ImageLatents(mean=one * self._scale, deviation=None) for one in moments]
        if moments.shape[1] != 2 * self._channels:
            raise BundleError(
                f"The bundle's vae_encoder gives {moments.shape[1]} channels and not "
                f"{2 * self._channels}, means and variances: build the bundle again, "
                "`packshot model build SOURCE`."
            )
        check_finite("the encoder's output", moments, precision="f32")
        return [self._scaled(one) for one in moments]

    def _scaled(self, moments: Array) -> ImageLatents:
        mean, variance = np.split(moments, 2)
        deviation = np.exp(variance.clip(*LOG_VARIANCES) / 2)
        return ImageLatents(mean=mean * self._scale, deviation=deviation * self._scale)
