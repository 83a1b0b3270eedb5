"""The demo's shop: what is committed is what its script draws, and photographs that a shop has."""

import csv
from collections import Counter
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalogue.cutouts.cutting import cut_out
from core.pictures.opening import open_rgb
from core.pictures.photograph import read_photograph
from starter.shop import PRODUCTS, SHEET, draw, export, photograph

SHOP = Path(__file__).parents[3] / "examples" / "shop"
PHOTOS = SHOP / "photos"


def test_the_export_names_every_photograph_and_no_other():
    text = (SHOP / SHEET).read_text(encoding="utf-8")
    assert text == export()
    rows = list(csv.DictReader(StringIO(text)))
    assert len(rows) == 24 == len({row["Variant SKU"] for row in rows})
    assert sorted(row["Image Src"] for row in rows) == sorted(one.name for one in PHOTOS.iterdir())


def test_photographs_are_small_have_exif_and_two_were_taken_sideways():
    bodies = [one.read_bytes() for one in PHOTOS.iterdir()]
    assert sum(map(len, bodies)) < 2_500_000
    opened = [Image.open(BytesIO(one)) for one in bodies]
    assert {one.format for one in opened} == {"JPEG"}
    assert max(max(one.size) for one in opened) <= 1000
    assert Counter(one.getexif()[0x0112] for one in opened) == {1: 22, 6: 1, 8: 1}
    assert {one.getexif()[0x0110] for one in opened} == {"Studio 24"}


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda one: one.object)
def test_a_photograph_is_what_the_script_draws_and_can_be_cut_out(product):
    committed = (PHOTOS / product.file_name).read_bytes()
    # Other versions of Pillow may write other bytes.
    drawn = np.asarray(open_rgb(photograph(product)), np.float32)
    kept = np.asarray(open_rgb(committed), np.float32)
    assert kept.shape == (product.size[1], product.size[0], 3)
    assert np.abs(drawn - kept).mean() < 1
    found = cut_out(read_photograph(committed).pixels)
    truth = draw(product)[1] >= 0.5
    seen = found.pixels[..., 3] >= 128
    assert (truth & seen).sum() / (truth | seen).sum() > 0.95


@pytest.mark.parametrize("sku", ["BAG-04", "HOB-02", "LIV-03", "LIV-06"])
def test_nothing_is_left_of_a_shadow_at_a_products_edge(sku):
    product = next(one for one in PRODUCTS if one.sku == sku)
    found = cut_out(read_photograph((PHOTOS / product.file_name).read_bytes()).pixels)
    assert np.abs(found.pixels[..., 3] / 255 - draw(product)[1]).mean() < 0.003


def test_products_stand_beside_their_shadows():
    picture, alpha = draw(PRODUCTS[0])
    around = np.asarray(picture)[alpha == 0]
    assert around.max() == 255
    assert 120 < around.min() < 230
