"""A placed product is its photograph's own pixels, on exactly the ground that was asked for."""

import hashlib
import shutil
import subprocess
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from catalogue.cutouts.composing import compose
from catalogue.cutouts.cutting import cut_out
from catalogue.cutouts.model import Cutout, Method
from catalogue.cutouts.placement import PlacementRule
from catalogue.cutouts.resampling import resample
from catalogue.cutouts.shadows import Shadow
from tests.unit.catalogue.cutouts.drawing import photograph

MAGICK = shutil.which("magick") or shutil.which("convert-im6.q16")
SAME = PlacementRule(width=300, height=300, fill=1.0, margin=0)
"""Larger than the product is, so that it keeps its size."""
SMALLER = PlacementRule(width=120, height=120)


@pytest.fixture(scope="module")
def cutout() -> Cutout:
    return cut_out(photograph(235, shadow=0.4)[0])


def test_without_scaling_the_inside_is_the_photographs_own_pixels(cutout):
    photo = photograph(235, shadow=0.4)[0]
    placed = compose(cutout, SAME)
    spot = placed.spot
    assert not spot.resampled
    left, top, right, bottom = spot.source
    whole = cutout.pixels[top:bottom, left:right, 3] == 255
    inside = ndimage.binary_erosion(whole, np.ones((3, 3)))
    window = placed.pixels[spot.top : spot.top + spot.size[1], spot.left : spot.left + spot.size[0]]
    source = photo[top:bottom, left:right, :3]
    assert np.array_equal(window[inside], source[inside])
    assert placed.kept == inside.sum() > 10_000
    assert placed.source_digest == hashlib.sha256(source[inside].tobytes()).hexdigest()
    assert placed.is_identical


@pytest.mark.parametrize("shadow", list(Shadow))
@pytest.mark.parametrize("background", [(255, 255, 255), (10, 200, 90), None])
def test_scaled_the_inside_is_what_resampling_gave(cutout, background, shadow):
    placed = compose(cutout, SMALLER, background=background, shadow=shadow)
    left, top, right, bottom = placed.spot.source
    scaled = resample(cutout.pixels[top:bottom, left:right], placed.spot.size)
    inside = ndimage.binary_erosion(scaled[..., 3] == 255, np.ones((3, 3)))
    expected = hashlib.sha256(scaled[inside][:, :3].tobytes()).hexdigest()
    assert placed.source_digest == placed.result_digest == expected


def test_the_ground_is_exactly_white_or_any_colour(cutout):
    for colour in ((255, 255, 255), (18, 52, 86)):
        placed = compose(cutout, SMALLER, background=colour)
        assert placed.pixels.shape == (120, 120, 3)
        frame = np.ones((120, 120), bool)
        box = placed.spot
        frame[box.top : box.top + box.size[1], box.left : box.left + box.size[0]] = False
        assert (placed.pixels[frame] == colour).all()


def test_an_edge_is_mixed_with_its_ground_as_pillow_mixes_it(cutout):
    for background in ((255, 255, 255), None):
        placed = compose(cutout, SAME, background=background)
        spot = placed.spot
        ground = Image.new("RGBA", (300, 300), (*background, 255) if background else (0, 0, 0, 0))
        whole = Image.fromarray(cutout.pixels)
        product = whole.crop(spot.source)
        ground.alpha_composite(product, (spot.left, spot.top))
        expected = np.asarray(ground)[..., : placed.pixels.shape[2]].astype(int)
        assert np.abs(placed.pixels - expected).max() <= 1


def test_shadows_darken_the_ground_under_the_product_and_nothing_above_it(cutout):
    plain = compose(cutout, SMALLER).pixels.astype(int)
    for shadow in (Shadow.CONTACT, Shadow.OWN):
        dark = plain - compose(cutout, SMALLER, shadow=shadow).pixels
        assert dark.max() > 20
        assert (dark >= 0).all()
        assert not dark[:60].any(), shadow


def test_a_shadow_on_nothing_is_black_that_lets_the_ground_through(cutout):
    pixels = compose(cutout, SMALLER, background=None, shadow=Shadow.CONTACT).pixels
    shade = (pixels[..., 3] > 0) & (pixels[..., 3] < 120)
    assert shade.sum() > 50
    assert not pixels[:8, :, 3].any()
    on_white = Image.new("RGBA", (120, 120), "white")
    on_white.alpha_composite(Image.fromarray(pixels))
    direct = compose(cutout, SMALLER, shadow=Shadow.CONTACT).pixels.astype(int)
    assert np.abs(np.asarray(on_white)[..., :3] - direct).max() <= 2


def test_an_unknown_shadow_becomes_a_contact_shadow_and_it_is_noted(cutout):
    unknown = Cutout(pixels=cutout.pixels, method=Method.MASK, confidence=1.0)
    placed = compose(unknown, SMALLER, shadow=Shadow.OWN)
    assert np.array_equal(placed.pixels, compose(cutout, SMALLER, shadow=Shadow.CONTACT).pixels)
    assert any("contact shadow" in note for note in placed.notes)


def test_light_is_averaged_and_not_levels():
    stripes = np.full((64, 64, 4), 255, np.uint8)
    stripes[:, ::2, :3] = 0
    # Half of the light is level 188 (IEC 61966-2-1).
    assert np.abs(resample(stripes, (16, 16))[4:-4, 4:-4, :3].astype(int) - 188).max() <= 2


def test_an_edge_takes_no_colour_of_what_was_cut_away():
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :, :3] = (0, 255, 0)
    pixels[16:48, 16:48] = (200, 40, 40, 255)
    small = resample(pixels, (21, 21))
    seen = small[..., 3] > 8
    assert np.abs(small[seen][:, :3].astype(int) - (200, 40, 40)).max() <= 2


@pytest.mark.skipif(MAGICK is None, reason="ImageMagick is missing: apt-get install imagemagick")
@pytest.mark.parametrize("size", [(100, 90), (400, 380)])
def test_resampling_is_imagemagicks_in_linear_light(cutout, size):
    left, top, right, bottom = compose(cutout, SAME).spot.source
    product = cutout.pixels[top:bottom, left:right]
    buffer = BytesIO()
    Image.fromarray(product).save(buffer, "PNG")
    options = ["-colorspace", "RGB", "-filter", "Lanczos", "-resize", f"{size[0]}x{size[1]}!"]
    done = subprocess.run(
        [MAGICK, "-", *options, "-colorspace", "sRGB", "-depth", "8", "png32:-"],
        input=buffer.getvalue(),
        capture_output=True,
        check=True,
    )
    expected = np.asarray(Image.open(BytesIO(done.stdout))).astype(int)
    found = resample(product, size).astype(int)
    # Its sharper Lanczos differs along the edge, where alpha is neither 0 nor 255.
    assert np.abs(found[..., 3] - expected[..., 3]).mean() < 0.5
    whole = ndimage.binary_erosion(expected[..., 3] == 255, iterations=4)
    assert np.abs(found - expected)[whole].max() <= 3
