import random

import pytest

from starter.data.attributes import Background, Colour, Kind, Pattern, Product, all_products
from starter.data.captions import NAMES, SETTINGS, canonical_caption, caption

PATTERN_WORDS = {Pattern.STRIPED: "strip", Pattern.DOTTED: "dot"}


@pytest.mark.parametrize("seed", range(5))
def test_a_caption_names_its_attributes_and_no_other_pattern(seed):
    rng = random.Random(seed)
    for product in all_products():
        text = caption(product, rng).lower()
        assert any(name in text for name in NAMES[product.kind])
        assert product.colour.value in text
        for pattern, word in PATTERN_WORDS.items():
            assert (word in text) == (pattern is product.pattern)


def test_only_a_white_background_may_go_without_saying():
    rng = random.Random(1)
    for background in Background:
        product = Product(
            kind=Kind.LAMP, colour=Colour.BLUE, pattern=Pattern.PLAIN, background=background
        )
        texts = [caption(product, rng).lower() for _ in range(200)]
        said = [any(setting in text for setting in SETTINGS[background]) for text in texts]
        assert all(said) == (background is not Background.WHITE)


def test_captions_vary():
    rng = random.Random(2)
    assert len({caption(all_products()[0], rng) for _ in range(100)}) > 60


def test_the_canonical_caption():
    product = Product(
        kind=Kind.MUG,
        colour=Colour.RED,
        pattern=Pattern.STRIPED,
        background=Background.WHITE,
    )
    assert canonical_caption(product) == "a striped red mug on a white background"


def test_the_article_fits_the_word():
    product = Product(
        kind=Kind.VASE, colour=Colour.ORANGE, pattern=Pattern.PLAIN, background=Background.WOOD
    )
    assert canonical_caption(product) == "an orange vase on a wooden table"
