import numpy as np
import pytest

from modelkit.evaluation.comparison import score_attributes
from modelkit.export.source import read_profile
from starter import SOURCE
from starter.data.attributes import Background, Colour, Kind, Pattern, Product, split_products
from starter.data.classifier import accuracy, load_classifier
from starter.data.dataset import draw_pictures
from starter.training.evaluate import contact_sheet, generate, load_pipeline

CLASSIFIER = load_classifier(SOURCE / "classifier")

PROMPTS = {
    "a striped red mug on a white background": Product(
        kind=Kind.MUG, colour=Colour.RED, pattern=Pattern.STRIPED, background=Background.WHITE
    ),
    "Red mug, striped": Product(
        kind=Kind.MUG, colour=Colour.RED, pattern=Pattern.STRIPED, background=Background.WHITE
    ),
    "blue backpack, wooden table": Product(
        kind=Kind.BACKPACK, colour=Colour.BLUE, pattern=Pattern.PLAIN, background=Background.WOOD
    ),
}


def test_the_weights_are_small_enough_for_a_repository():
    assert sum(path.stat().st_size for path in SOURCE.rglob("*") if path.is_file()) < 40e6


def test_the_classifier_knows_drawn_pictures_it_never_saw():
    pictures = draw_pictures(split_products()[1][:50], 1, seed=9)
    assert min(accuracy(CLASSIFIER, pictures).values()) >= 0.98


def test_the_classifier_is_not_fooled_by_nothing():
    blank = np.full((1, 128, 128, 3), 255, np.uint8)
    product = split_products()[1][0]
    scores = score_attributes(CLASSIFIER, blank, [product])
    assert scores.accuracy["all"] == 0
    assert scores.right == (False,)
    assert sum(counter.total() for counter in scores.mistakes.values()) >= 1


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline(SOURCE)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_comes_out_as_it_says(pipeline, prompt):
    pictures = generate(pipeline, [prompt], read_profile(SOURCE).defaults, seed=1)
    assert pictures.shape == (1, 128, 128, 3)
    assert score_attributes(CLASSIFIER, pictures, [PROMPTS[prompt]]).accuracy["all"] == 1


def test_a_contact_sheet_has_a_cell_for_each_picture():
    pictures = np.zeros((5, 8, 8, 3), np.uint8)
    sheet = contact_sheet(pictures, columns=3)
    assert sheet.size == (24, 16)
    assert sheet.getpixel((23, 15)) == (255, 255, 255)
    assert sheet.getpixel((15, 15)) == (0, 0, 0)
