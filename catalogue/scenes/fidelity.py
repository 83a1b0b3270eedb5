"""Proof that a product is in its picture as it was placed: equal inside, and no larger."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from catalogue.cutouts.model import Alpha, Mask, Rgb, Rgba
from catalogue.cutouts.pasting import digest, well_inside
from catalogue.scenes.expansion import difference, grown_share
from core.errors import PackshotError

MOST_EXPANSION = 0.01
"""Share of a product's area by which it may seem larger in its picture."""
LEAST_PSNR = 30.0
"""Decibels inside the mask, of a lossy file, below which the product is not the same any more."""
MOST_SHIFT = 2.0
"""Levels by which a channel's mean may differ there: losses go both ways, a change of colour does
not."""


class ProductChangedError(PackshotError):
    """The product is not in the picture as it was placed. Try another seed, or `cutout`."""

    code = "product_changed"
    status = 422


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How far a product in a picture without losses is the one that was placed."""

    source_digest: str
    """SHA-256, in hex, of the placed product's colours: RGB, row by row, where all eight neighbours
    are whole product (`catalogue.cutouts.pasting`)."""
    result_digest: str
    """The same of the picture."""
    kept: int
    """Pixels that both are of."""
    expansion: float
    """Share of the product's area by which it is larger in the picture; see `expansion`."""

    @property
    def is_identical(self) -> bool:
        """Whether the product's inside is what it was."""
        return self.source_digest == self.result_digest

    @property
    def is_kept(self) -> bool:
        """Whether the product is the same, and no larger than may be."""
        return self.is_identical and self.expansion <= MOST_EXPANSION

    def checked(self) -> Self:
        """Return this.

        Raises:
            ProductChangedError: The product is not the same, or larger.
        """
        if not self.is_identical:
            raise ProductChangedError
        if self.expansion > MOST_EXPANSION:
            raise ProductChangedError(
                f"The product became {self.expansion:.1%} larger in its scene: the background "
                "goes on where the product ends. Try another seed, or describe the scene and not "
                "the product."
            )
        return self


def compare(placed: Rgba, window: Rgb, *, ground: Rgb) -> Fidelity:
    """Compare a product with the part of a picture that it was pasted into.

    Args:
        placed: The product as it was placed.
        window: That part of the picture, of the same height and width.
        ground: What it would be without the product.
    """
    there = placed[..., 3] > 0
    return identity(placed, window, expansion=grown_share(difference(window, ground), there))


def identity(placed: Rgba, window: Rgb, *, expansion: float) -> Fidelity:
    """Compare a product's inside, with an expansion that is known."""
    inside = well_inside(placed[..., 3] == 255)
    return Fidelity(
        source_digest=digest(placed, inside),
        result_digest=digest(window, inside),
        kept=int(np.count_nonzero(inside)),
        expansion=expansion,
    )


@dataclass(frozen=True, kw_only=True)
class LossyFidelity:
    """How far a product in a lossy file is the one in the picture that the file was made of."""

    psnr: float
    """Decibels where alpha is 255 around; infinite if all is equal."""
    shift: float
    """Levels by which the mean of a channel differs there, the most of three."""

    @property
    def is_kept(self) -> bool:
        """Whether these are the losses of a file, and no change of the product."""
        return self.psnr >= LEAST_PSNR and self.shift <= MOST_SHIFT


def compare_lossy(original: Rgb, delivered: Rgb, mask: Alpha) -> LossyFidelity:
    """Compare a delivered file, decoded, with its original inside the product.

    Args:
        original: The picture without losses.
        delivered: What the file shows, of the same size.
        mask: The product's alpha, of the same height and width.
    """
    inside: Mask = well_inside(mask == 255)
    if not inside.any():
        return LossyFidelity(psnr=float("inf"), shift=0.0)
    away = delivered[inside].astype(np.float32) - original[inside]
    error = float(np.mean(away**2, dtype=np.float64))
    psnr = float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))
    return LossyFidelity(psnr=psnr, shift=float(np.abs(away.mean(axis=0, dtype=np.float64)).max()))
