"""Background and product told apart, on drawn pictures and on the model's own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalogue.renditions.scene import look
from starter.scenes.subjects import Colour, Kind
from tests.pictures import near_white, product, silhouette

SHEET = Path(__file__).parents[4] / "docs" / "images" / "contact-sheet.png"


def seen(image: Image.Image):
    return look(np.asarray(image))


def inside(kind: Kind, *, margin: int = 3) -> np.ndarray:
    """Tell what is certainly product: its silhouette without its rim."""
    mask = silhouette(kind) > 250
    for _ in range(margin):
        shrunk = mask.copy()
        shrunk[1:] &= mask[:-1]
        shrunk[:-1] &= mask[1:]
        shrunk[:, 1:] &= mask[:, :-1]
        shrunk[:, :-1] &= mask[:, 1:]
        mask = shrunk
    return mask


@pytest.mark.parametrize("darker", [0, 4, 10])
@pytest.mark.parametrize("kind", [Kind.UMBRELLA, Kind.T_SHIRT, Kind.VASE, Kind.TEAPOT])
def test_a_white_product_on_near_white_is_not_eaten_into(kind, darker):
    scene = seen(near_white(product(Colour.WHITE, kind=kind), darker=darker))
    assert scene.white
    assert not (scene.ground & inside(kind)).any()


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.MAGNET, Kind.RING}))
def test_the_whole_background_of_a_coloured_product_is_found(kind):
    scene = seen(near_white(product(Colour.BLUE, kind=kind)))
    assert scene.white
    far = silhouette(kind) == 0
    # Shadows and the product's soft edge are no background; nearly all of the rest is, but for what
    # a ring encloses.
    assert (scene.ground & far).sum() > 0.85 * far.sum()
    assert not (scene.ground & inside(kind)).any()


def test_the_box_holds_the_product_and_what_is_shown_its_shadow_too():
    scene = seen(near_white(product(Colour.GREEN)))
    rows, columns = np.nonzero(silhouette() > 128)
    box, shown = scene.box, scene.shown
    assert box is not None
    assert shown is not None
    assert abs(box.left - columns.min()) <= 4
    assert abs(box.right - 1 - columns.max()) <= 4
    assert abs(box.top - rows.min()) <= 2
    assert abs(box.bottom - 1 - rows.max()) <= 4
    assert shown.left <= box.left
    assert box.bottom < shown.bottom <= rows.max() + 10


@pytest.mark.parametrize("backdrop", ["grey", "beige", "mint"])
def test_a_product_is_found_on_other_backgrounds_and_those_are_not_white(backdrop):
    scene = seen(near_white(product(Colour.RED, backdrop), darker=0))
    assert not scene.white
    rows, columns = np.nonzero(silhouette() > 128)
    box = scene.box
    assert box is not None
    assert abs(box.left - columns.min()) <= 4
    assert abs(box.right - 1 - columns.max()) <= 4
    assert abs(box.top - rows.min()) <= 4


def test_a_picture_of_nothing_has_no_box():
    assert seen(Image.new("RGB", (64, 48), "white")).box is None


def test_a_product_that_the_frame_cuts_has_no_box():
    image = Image.new("RGB", (64, 64), "white")
    image.paste("red", (20, 30, 40, 64))
    scene = seen(image)
    assert scene.white
    assert scene.box is None


def test_a_narrow_gap_in_a_rim_lets_nothing_in():
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[12:52, 12:52] = 90
    pixels[16:48, 16:48] = 255
    pixels[12:16, 28:33] = 255
    assert not look(pixels).ground[16:48, 16:48].any()
    pixels[12:16, 28:40] = 255
    # The way is wide enough; edges are a pixel wide, and corners are narrow.
    assert look(pixels).ground[17:47, 17:47].mean() > 0.98


def test_white_stripes_that_end_at_the_edge_stay_the_products():
    pixels = np.full((128, 128, 3), 250, np.uint8)
    for top in range(30, 100, 20):
        pixels[top : top + 10, 30:98] = (200, 20, 30)
    ground = look(pixels).ground
    assert not ground[30:100, 32:96].any()
    assert ground[:29].all()


def test_a_maze_is_filled_to_its_end():
    pixels = np.full((122, 122, 3), 255, np.uint8)
    for number, row in enumerate(range(20, 110, 20)):
        pixels[row, slice(0, 104) if number % 2 else slice(18, 122)] = 0
    ground = look(pixels).ground
    for row in range(10, 122, 20):
        assert ground[row, 60]


WHITE = [(0, 0), (0, 2), (0, 6), (1, 2), (1, 8), (1, 12), (2, 0), (2, 8), (2, 10), (3, 4), (3, 8)]
OTHER = [(0, 4), (0, 8), (0, 10), (1, 0), (1, 6), (1, 10), (2, 6), (3, 2), (3, 6), (3, 12)]


def made(row: int, column: int) -> np.ndarray:
    """Cut an image that the starter made out of the committed contact sheet."""
    left, top = 14 + 126 * column + 1, 40 + 190 * row + 1
    with Image.open(SHEET) as sheet:
        return np.asarray(sheet.convert("RGB").crop((left, top, left + 110, top + 110)))


@pytest.mark.parametrize("place", WHITE)
def test_white_backgrounds_of_the_starters_own_images_are_found(place):
    pixels = made(*place)
    scene = look(pixels)
    assert scene.white
    assert scene.ground[:8].mean() > 0.9
    assert scene.box is not None
    # Whatever is made white was nearly so; a pixel of its unevenness may be a little more.
    assert np.quantile(255 - pixels[scene.ground], 0.999) <= 24
    assert (255 - pixels[scene.ground]).max() <= 30


@pytest.mark.parametrize("place", OTHER)
def test_other_backgrounds_of_the_starters_own_images_are_not_white(place):
    assert not look(made(*place)).white
