"""That a product kept its pixels is said of the file that is stored, not of what went into it."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catalogue.cutouts.cutting import cut_out
from catalogue.cutouts.finishing import finish_cutout
from core.domain.photograph_spec import PhotographSpec
from tests.unit.catalogue.cutouts.drawing import photograph
from worker import pictures
from worker.pictures import MadeImage, encode_original, with_proof


def made(background: str = "#ffffff") -> MadeImage:
    wanted = PhotographSpec(source="ab" * 32, background=background)
    finished = finish_cutout(cut_out(photograph(240)[0]), wanted, width=300, height=200)
    return MadeImage(
        pixels=finished.pixels, seconds=1.0, quality=finished.quality, inside=finished.inside
    )


@pytest.mark.parametrize("background", ["#ffffff", "#102030", "transparent"])
def test_a_file_without_loss_has_the_placed_pixels(background):
    image = made(background)
    proven = with_proof(image, encode_original(image))
    assert proven.quality == image.quality
    assert proven.quality["identical"]


def harmed(image: Image.Image, where: str) -> Image.Image:
    """Change one level of one pixel of the product's inside, its edge, or the ground."""
    pixels = np.array(image)
    inside = made().inside
    rows, columns = np.nonzero(inside.mask if where == "inside" else ~inside.mask)
    middle = len(rows) // 2
    pixels[inside.top + rows[middle], inside.left + columns[middle], 1] ^= 1
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("where", "identical"), [("inside", False), ("beside", True)])
def test_harm_that_encoding_does_to_the_product_is_told(monkeypatch, where, identical):
    encode = pictures.encode
    monkeypatch.setattr(
        pictures,
        "encode",
        lambda image, *rest, **named: encode(harmed(image, where), *rest, **named),
    )
    image = made()
    body = encode_original(image)
    assert not np.array_equal(np.asarray(Image.open(BytesIO(body))), image.pixels)
    quality = with_proof(image, body).quality
    assert quality["identical"] is identical
    assert (quality["source_digest"] == quality["result_digest"]) is identical
    assert image.quality["identical"], "before encoding nothing was wrong"


def test_a_damaged_file_is_no_proof():
    image = made()
    body = encode_original(image)
    with pytest.raises(OSError, match="truncated"):
        with_proof(image, body[: len(body) // 2])


def test_an_image_of_no_photograph_has_nothing_to_prove():
    image = MadeImage(pixels=np.zeros((8, 8, 3), np.uint8), seconds=1.0)
    assert with_proof(image, b"") is image
