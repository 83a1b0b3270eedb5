"""Where rows begin that need the autoencoder first: over pictures, and in models that inpaint.

A UNet of nine channels sees, beside its latents, a mask and what is kept of a picture outside it
(Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", arXiv
2112.10752, section 4.5). A row of a text alone is there a picture of which nothing is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from worker.finite import ImpossibleError
from worker.model import Array, ImageLatents
from worker.rows import RowRequest
from worker.walk import NOISE, Begin, Latents, Picture, Walk

if TYPE_CHECKING:
    from worker.sampler import Sampler


@dataclass(frozen=True, kw_only=True, eq=False)
class Inpaint:
    """The row's UNet sees a mask, and what is kept of a picture.

    What `StableDiffusionInpaintPipeline` does with a UNet of nine channels.
    """

    start: Begin
    """Where its latents begin."""
    mask: NDArray[np.float32]
    """(1, height, width) in latents: 1 where the row may change the picture, 0 where it stays."""
    kept: ImageLatents
    """The picture where it stays, and grey elsewhere."""

    @property
    def optional(self) -> bool:
        """Return whether the row could do without it: see `Begin`."""
        return self.start.optional

    def begin(self, sampler: "Sampler") -> Walk:
        """Begin, and draw what is kept after everything else."""
        if self.kept.mean.shape != sampler.shape:
            raise ValueError(
                f"a picture's latents {self.kept.mean.shape} do not fit {sampler.shape}"
            )
        first = self.start.begin(sampler).first
        kept = torch.from_numpy(self.kept.mean)[None]
        if self.kept.deviation is not None:
            kept = kept + torch.from_numpy(self.kept.deviation) * sampler.draw()
        return Inpainting(first, seen=torch.cat([torch.from_numpy(self.mask)[None], kept], dim=1))


class Inpainting(Walk):
    """A walk whose UNet sees a mask and what is kept of a picture."""

    def __init__(self, first: Latents, *, seen: Latents) -> None:
        """Start.

        Args:
            first: The latents before the row's first step.
            seen: (1, 1 + channels, height, width): the mask, and what is kept.
        """
        super().__init__(first)
        self._seen = seen

    def model_input(self, latents: Latents) -> Latents:
        """Return latents with the mask and what is kept as further channels."""
        return torch.cat([latents, self._seen], dim=1)


def images_of(request: RowRequest, *, inpaints: bool) -> list[Array]:
    """Return what the autoencoder encodes before a row begins.

    Args:
        request: The row's.
        inpaints: Whether its UNet sees a mask and what is kept of a picture.

    Returns:
        Images (height, width, 3), RGB within -1 to 1, in the order of `begin_of`.

    Raises:
        ImpossibleError: Its picture has another size.
    """
    size = (request.spec.height, request.spec.width, 3)
    if not isinstance(request.begin, Picture):
        return [np.zeros(size, np.float32)] if inpaints else []
    picture = request.begin
    if picture.pixels.shape != size:
        raise ImpossibleError(
            f"the picture to begin with has the shape {picture.pixels.shape} and its row {size}"
        )
    whole = np.asarray(picture.pixels, np.float32) / 127.5 - 1
    if not inpaints:
        return [whole]
    kept = whole * (1 - _in_pixels(picture)[:, :, None])
    # A strength of 1 leaves nothing of the picture in the latents.
    return [kept] if picture.strength == 1 else [kept, whole]


def begin_of(request: RowRequest, encoded: Sequence[ImageLatents], *, inpaints: bool) -> Begin:
    """Return where a row begins, when its images are encoded.

    Args:
        request: The row's.
        encoded: Those of `images_of`.
        inpaints: As there.
    """
    if not isinstance(request.begin, Picture):
        return _all_anew(request.begin, encoded[0]) if inpaints else request.begin
    picture = request.begin
    if not inpaints:
        return _over(picture, encoded[0])
    kept, *whole = encoded
    start = _over(replace(picture, mask=None), whole[0]) if whole else NOISE
    if picture.mask is None:
        return _all_anew(start, kept)
    return Inpaint(start=start, mask=picture.mask, kept=kept)


def _all_anew(start: Begin, kept: ImageLatents) -> Begin:
    """Return a beginning of which nothing is kept."""
    return Inpaint(start=start, mask=np.ones((1, *kept.mean.shape[1:]), np.float32), kept=kept)


def _over(picture: Picture, found: ImageLatents) -> Begin:
    return picture.encoded(mean=found.mean, deviation=found.deviation)


def _in_pixels(picture: Picture) -> NDArray[np.float32]:
    """Return a picture's mask, (height, width) in pixels; without one it may change everywhere."""
    height, width, _ = picture.pixels.shape
    if picture.mask is None:
        return np.ones((height, width), np.float32)
    _, rows, columns = picture.mask.shape
    return picture.mask[0].repeat(height // rows, axis=0).repeat(width // columns, axis=1)
