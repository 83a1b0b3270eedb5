"""Products told from their backdrops: white ones, their shadows, dust, and what cannot be told."""

import random
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from benchmarks.mattes import after, before, compose, judge
from catalogue.channels import find_channel, note_on
from catalogue.renditions import regions
from catalogue.renditions.rendering import render
from catalogue.renditions.scene import look
from tests.pictures import png

OBJECTS = sorted(Path(__file__).with_name("objects").glob("*.png"))
SIDE = 256


def picture(backdrop, *, body=236, rim=222, shadow=0.35, specks=(), noise=0.0):
    """Draw a shaded product and its soft shadow; give the pixels, and where the product is."""
    ground = np.broadcast_to(np.asarray(backdrop, np.float32), (SIDE, SIDE, 3))
    shade = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(shade).ellipse((70, 192, 196, 216), fill=255)
    dark = np.asarray(shade.filter(ImageFilter.GaussianBlur(6)), np.float32) / 255 * shadow
    levels = ground * (1 - dark[..., None])
    image = Image.fromarray(levels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for x, y, radius in specks:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(120, 120, 120))
    mask = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(mask).rounded_rectangle((80, 60, 180, 200), 12, fill=255)
    product = np.asarray(mask) > 0
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)[None, :]
    pixels = np.array(image)
    shaded = body + (rim - body) * np.abs((across - 0.02) / 0.4) ** 3
    pixels[product] = np.broadcast_to(shaded, (SIDE, SIDE))[product][:, None].clip(0, 255)
    noisy = pixels + np.random.default_rng(1).normal(0, noise, pixels.shape)
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8), product


def gradient():
    return np.repeat(np.linspace(255, 238, SIDE, dtype=np.float32)[:, None, None], SIDE, axis=1)


BACKDROPS = {"white": 255, "near white": 251, "grey": 243, "mint": (170, 225, 200)}
SPECKS = [(20, 30, 1), (230, 40, 2), (30, 225, 1.5), (225, 230, 2)]


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("backdrop", list(BACKDROPS))
def test_a_white_product_is_found_whole_and_specks_are_none_of_it(backdrop, noise):
    pixels, product = picture(BACKDROPS[backdrop], specks=SPECKS, noise=noise)
    scene = look(pixels)
    assert scene.white == (backdrop != "mint")
    assert not (scene.fade.astype(bool) & ndimage.binary_erosion(product, iterations=3)).any()
    box = scene.box
    assert box is not None
    # A shadow that cannot be told from a white product is taken for a part of it.
    assert 56 <= box.left <= 84
    assert 56 <= box.top <= 64
    assert 177 <= box.right <= 210
    assert 197 <= box.bottom <= 234


def test_a_shadow_does_not_count_for_a_coloured_products_size():
    pixels, _ = picture(250, body=90, rim=60, specks=SPECKS)
    scene = look(pixels)
    assert not scene.unclear
    box, shown = scene.box, scene.shown
    assert box is not None
    assert shown is not None
    assert np.abs([box.left - 80, box.top - 60, box.right - 181, box.bottom - 201]).max() <= 5
    assert shown.bottom > box.bottom + 5


def test_a_backdrop_may_be_lit_from_one_side():
    pixels, product = picture(gradient(), body=222, rim=210, specks=SPECKS)
    scene = look(pixels)
    assert scene.white
    assert scene.box is not None
    assert not (scene.ground & ndimage.binary_erosion(product, iterations=3)).any()
    assert scene.ground[:20].all()
    assert scene.ground[-20:].all()


@pytest.mark.parametrize("backdrop", ["near white", "grey"])
def test_whitening_changes_only_what_is_background(backdrop):
    pixels, _ = picture(BACKDROPS[backdrop], specks=SPECKS)
    made = render(png(Image.fromarray(pixels)), find_channel("shopify.png"))
    image = np.asarray(Image.open(BytesIO(made.body)), np.float32)
    assert made.ground == "white"
    # Scaled by nothing but the frame: the product's longer side is 80 % of it.
    inside = image[image.shape[0] // 3 : image.shape[0] // 2, image.shape[1] // 2]
    middle = pixels[128, 130].astype(np.float32)
    assert np.abs(inside - middle).max() <= 2
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert border.min() == 255


def test_a_shadow_is_kept_whole_and_fades_into_white():
    pixels, _ = picture(247, body=90, rim=60)
    made = render(png(Image.fromarray(pixels)), find_channel("shopify.png"))
    image = np.asarray(Image.open(BytesIO(made.body)), np.int16).min(axis=2)
    # Below the product, from its middle to the frame: darker first, white at last, and no step.
    bottom = round(image.shape[0] * (0.5 + 0.5 * (made.fill or 0))) + 2
    column = image[bottom:, image.shape[1] // 2]
    assert column[0] < 235
    assert column[-1] > 240
    assert np.abs(np.diff(column)).max() <= 14


def test_specks_change_neither_size_nor_place():
    clean, dusty = (look(picture(253, specks=specks)[0]).box for specks in ([], SPECKS))
    assert clean == dusty


def test_white_parts_inside_a_product_stay_as_they_are():
    pixels, _ = picture(250, body=60, rim=40)
    pixels[100:150, 100:160] = 250
    scene = look(pixels)
    assert not scene.fade[100:150, 100:160].any()
    assert not scene.unclear


@pytest.mark.parametrize(("body", "rim"), [(251, 251), (251, 250), (252, 247)])
def test_what_cannot_be_told_is_said(body, rim):
    pixels, _ = picture(251, body=body, rim=rim, shadow=0.0, noise=0.6)
    channel = find_channel("google_merchant")
    made = render(png(Image.fromarray(pixels)), channel)
    assert made.unclear
    note = note_on(channel, ground=made.ground, upscaled=None, unclear=made.unclear)
    assert note is not None
    assert note.startswith("The product can hardly be told from its white background")


def test_what_keeps_its_background_is_never_unclear():
    assert not render(png(Image.new("RGB", (64, 64), "white")), find_channel("web")).unclear


@pytest.mark.parametrize("tint", ["own", "white", "dark"])
@pytest.mark.parametrize("file", OBJECTS, ids=lambda file: file.stem)
def test_rendered_objects_are_found_as_their_alpha_says(file, tint):
    cutout = Image.open(file).convert("RGBA")
    case = compose(cutout, tint, "white", SIDE, random.Random(3))
    found = judge(case, after(case.pixels))
    assert found["eaten"] < 0.02
    # A white product's shadow may be taken for a part of it.
    assert found["fill"] < (0.25 if tint == "white" else 0.08)
    assert found["centre"] < (0.1 if tint == "white" else 0.03)
    assert found["iou"] >= min(0.93, judge(case, before(case.pixels))["iou"])


SHAPES = [(1, 1), (5, 9), (64, 80)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_regions_are_those_of_scipy(shape, share):
    mask = np.random.default_rng(2).random(shape) < share
    found = regions.components(mask)
    expected, count = ndimage.label(mask)
    assert found.count == count
    pairs = np.unique(np.stack([found.labels.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(expected))
    for radius in (1, 2, 5):
        y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
        disc = x * x + y * y <= radius * radius + radius
        assert np.array_equal(regions.dilated(mask, radius), ndimage.binary_dilation(mask, disc))
        levels = mask.astype(np.float32)
        average = ndimage.uniform_filter(levels, 2 * radius + 1, mode="nearest")
        assert np.allclose(regions.blurred(levels, radius), average, atol=1e-5)
    start = np.zeros_like(mask)
    start[0, 0] = True
    filled = ndimage.binary_propagation(start & mask, mask=mask)
    assert np.array_equal(regions.flooded(mask, start), filled)
