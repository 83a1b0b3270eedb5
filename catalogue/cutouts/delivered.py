"""The file that is delivered: whether its product still has the pixels that were placed."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from catalogue.cutouts.model import Mask
from catalogue.cutouts.pasting import digest


@dataclass(frozen=True, kw_only=True, eq=False)
class ProductInside:
    """Which pixels of an image are a product's own: those a pixel from its edge."""

    left: int
    """Of the product's box in the image."""
    top: int
    mask: Mask
    """(height, width) of that box."""

    def digest_in(self, file: bytes) -> str:
        """Return the SHA-256, in hex, of a file's pixels there: RGB, row by row.

        Args:
            file: The image without loss, as it is stored.

        Raises:
            OSError: It cannot be decoded.
        """
        height, width = self.mask.shape
        box = (self.left, self.top, self.left + width, self.top + height)
        with Image.open(BytesIO(file), formats=["PNG"]) as opened:
            return digest(np.asarray(opened.crop(box)), self.mask)


def proven(quality: dict[str, Any], inside: ProductInside, file: bytes) -> dict[str, Any]:
    """Return what is known of an image, its proof now that of the file that is delivered.

    Args:
        quality: See `catalogue.cutouts.finishing.assess`.
        inside: Which pixels are compared.
        file: The image without loss, as it is stored.

    Raises:
        OSError: It cannot be decoded.
    """
    found = inside.digest_in(file)
    return quality | {"result_digest": found, "identical": found == quality["source_digest"]}
