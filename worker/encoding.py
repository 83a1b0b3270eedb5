"""Pixels to bytes."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EXTENSION = "png"
CONTENT_TYPE = "image/png"


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode an image without loss.

    Args:
        pixels: (height, width, 3), RGB.
    """
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()
