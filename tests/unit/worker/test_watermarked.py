"""Images that a model drew are marked, and a photograph's product in them is not."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from catalogue.channels import find_channel
from catalogue.cutouts.delivered import ProductInside
from catalogue.renditions.rendering import render
from core.domain.photograph_spec import ImageMode
from core.pictures.marking import ImageWatermark, Watermark, derive_key
from core.pictures.opening import open_rgb
from core.pictures.provenance import COMPOSITE, TRAINED
from core.pictures.watermark.detection import detect
from tests.pictures import near_white, product
from worker.pictures import MadeImage, encode_original, watermarked

WATERMARK = Watermark(key=derive_key("a secret"))
FINGERPRINT = "0123456789" + "ab" * 27


def claim(mode: str) -> SimpleNamespace:
    spec = SimpleNamespace(mode=ImageMode(mode))
    return SimpleNamespace(spec=spec, fingerprint=FINGERPRINT, exact_fingerprint=None)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.asarray(near_white(product().resize((512, 512), Image.Resampling.BICUBIC)))


def test_a_drawn_image_names_its_fingerprint_and_its_file_keeps_that(pixels):
    made = watermarked(claim("text"), MadeImage(pixels=pixels, seconds=1.0), WATERMARK)
    stored = np.asarray(open_rgb(encode_original(made), most_pixels=10**6))
    found = detect(stored, WATERMARK.key)
    assert found is not None
    assert found.payload is not None
    assert FINGERPRINT.startswith(found.payload.reference)


def test_without_a_watermark_and_as_a_cut_out_an_image_stays_as_it_is(pixels):
    made = MadeImage(pixels=pixels, seconds=1.0)
    assert watermarked(claim("text"), made, None) is made
    assert watermarked(claim("cutout"), made, WATERMARK) is made


def test_a_product_in_a_drawn_picture_keeps_its_pixels_and_its_edge(pixels):
    inside = ProductInside(left=100, top=120, mask=np.ones((200, 150), np.bool_))
    made = MadeImage(pixels=pixels, seconds=1.0, inside=inside, source_type=COMPOSITE)
    marked = watermarked(claim("text"), made, WATERMARK).pixels
    around = np.s_[118:322, 98:252]
    assert np.array_equal(marked[around], pixels[around])
    assert not np.array_equal(marked, pixels)
    assert detect(marked, WATERMARK.key) is not None


@pytest.mark.parametrize("channel", ["walmart", "google_merchant", "web", "thumbnail.jpeg"])
def test_renditions_of_a_drawn_image_are_marked_and_white_stays_white(pixels, channel):
    made = watermarked(claim("text"), MadeImage(pixels=pixels, seconds=1.0), WATERMARK)
    own = ImageWatermark(watermark=WATERMARK, fingerprint=FINGERPRINT)
    rendered = render(encode_original(made), find_channel(channel), watermark=own)
    plain = render(encode_original(MadeImage(pixels=pixels, seconds=1.0)), find_channel(channel))
    shown = np.asarray(open_rgb(rendered.body, most_pixels=10**7))
    found = detect(shown, WATERMARK.key)
    assert found is not None
    assert found.payload is None or FINGERPRINT.startswith(found.payload.reference)
    assert (rendered.ground, rendered.fill) == (plain.ground, plain.fill)
    if rendered.ground == "white":
        assert shown[:5].min() == 255


def test_an_image_too_small_for_a_mark_gets_it_in_what_it_is_enlarged_to():
    small = MadeImage(pixels=np.asarray(near_white(product()))[::2, ::2], seconds=1.0)
    made = watermarked(claim("text"), small, WATERMARK)
    assert made.pixels is small.pixels
    own = ImageWatermark(watermark=WATERMARK, fingerprint=FINGERPRINT)
    rendered = render(encode_original(made), find_channel("walmart.png"), watermark=own)
    assert detect(np.asarray(open_rgb(rendered.body, most_pixels=10**7)), WATERMARK.key)
    assert small.source_type == TRAINED
