"""Pixels to bytes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.pictures.credentials import Credentials
from core.pictures.encoding import encode
from core.pictures.formats import Format

ORIGINAL = Format.PNG


def encode_original(pixels: NDArray[np.uint8], credentials: Credentials | None = None) -> bytes:
    """Encode an image without loss, marked as made by a model.

    Args:
        pixels: (height, width, 3), RGB.
        credentials: What signs it; None: it is not signed.
    """
    return encode(Image.fromarray(pixels), ORIGINAL, credentials=credentials)
