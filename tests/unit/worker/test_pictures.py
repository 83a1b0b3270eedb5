from io import BytesIO

import numpy as np
from PIL import Image

from worker.pictures import MadeImage, encode_original


def test_png_keeps_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    decoded = Image.open(BytesIO(encode_original(MadeImage(pixels=pixels, seconds=1.0))))
    assert (decoded.format, decoded.size, decoded.mode) == ("PNG", (32, 24), "RGB")
    assert np.array_equal(np.asarray(decoded), pixels)
