import random

import numpy as np
import pytest

from starter.data.attributes import (
    ATTRIBUTES,
    Background,
    Colour,
    Kind,
    Pattern,
    Product,
    all_products,
    split_products,
)
from starter.data.dataset import draw_pictures
from starter.data.drawing import draw
from starter.data.pen import SIZE
from starter.scenes.pictures import psnr, to_pixels, to_tensor

MUG = Product(kind=Kind.MUG, colour=Colour.RED, pattern=Pattern.PLAIN, background=Background.WHITE)


def picture(seed: int = 0, **changes) -> np.ndarray:
    attributes = {name: getattr(MUG, name) for name in ATTRIBUTES} | changes
    return np.asarray(draw(Product(**attributes), random.Random(seed)))


def test_the_same_seed_draws_the_same_picture():
    assert np.array_equal(picture(seed=7), picture(seed=7))


def test_another_seed_draws_another_picture():
    assert not np.array_equal(picture(seed=7), picture(seed=8))


@pytest.mark.parametrize("kind", Kind)
def test_a_white_background_is_pure_white_along_the_frame(kind):
    drawn = picture(kind=kind)
    edges = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
    assert drawn.shape == (SIZE, SIZE, 3)
    assert (edges == 255).all()


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("colour", Colour)
def test_a_product_stands_out_from_a_white_background(kind, colour):
    drawn = picture(kind=kind, colour=colour)
    assert (drawn.min(axis=2) < 250).mean() > 0.05


@pytest.mark.parametrize("kind", Kind)
def test_each_pattern_changes_the_body(kind):
    plain, striped, dotted = (
        picture(kind=kind, pattern=pattern).astype(int) for pattern in Pattern
    )
    for one, other in ((plain, striped), (plain, dotted), (striped, dotted)):
        assert (abs(one - other).max(axis=2) > 60).mean() > 0.01


def test_held_out_products_are_not_trained_on_and_show_every_value():
    trained, held_out = split_products()
    assert len(held_out) == 200
    assert set(trained).isdisjoint(held_out)
    assert set(trained) | set(held_out) == set(all_products())
    for name, values in ATTRIBUTES.items():
        assert {getattr(product, name) for product in held_out} == set(values)


def test_a_data_set_repeats_and_labels_its_pictures():
    products = split_products()[0][:2]
    pictures = draw_pictures(products, 2, seed=1)
    assert np.array_equal(pictures.pixels, draw_pictures(products, 2, seed=1).pixels)
    assert [tuple(row) for row in pictures.labels()] == [
        product.labels() for product in products for _ in range(2)
    ]


def test_pixels_survive_the_way_to_tensors_and_back():
    pixels = draw_pictures([MUG], 1, seed=1).pixels
    images = to_tensor(pixels)
    assert float(images.min()) >= -1
    assert float(images.max()) == 1
    assert np.array_equal(to_pixels(images), pixels)


def test_psnr_of_a_known_error():
    black, grey = np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 25, np.uint8)
    assert psnr(to_tensor(grey), to_tensor(black)) == pytest.approx(20.17, abs=0.01)
