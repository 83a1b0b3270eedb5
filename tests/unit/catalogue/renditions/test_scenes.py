"""Renditions of products in scenes: framed by where the product was placed."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catalogue.channels import find_channel
from catalogue.cutouts.model import Cutout, Method
from catalogue.renditions.rendering import Rendered, render
from catalogue.renditions.scene import Box
from catalogue.scenes.finishing import finish_scene
from core.domain.photograph_spec import Anchor, PhotographSpec, Shadow
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.provenance import COMPOSITE

RED = (220, 30, 40)


def room(*, light: bool) -> np.ndarray:
    """Draw a grey room without a smooth place: (96, 128, 3)."""
    low, high = (236, 255) if light else (20, 200)
    noise = np.random.default_rng(3).integers(low, high, (96, 128, 1)).astype(np.uint8)
    return np.repeat(noise, 3, axis=2)


def brick(wide: int, tall: int) -> Cutout:
    pixels = np.zeros((tall + 40, wide + 40, 4), np.uint8)
    pixels[20:-20, 20:-20] = (*RED, 255)
    return Cutout(pixels=pixels, method=Method.MASK, confidence=1.0, reasons=())


def rendition(cutout: Cutout, *, light: bool = False, **wanted: object) -> Rendered:
    photograph = PhotographSpec(
        source="", shadow=Shadow.NONE, **{"anchor": Anchor.GROUND, "ground_line": 0.86} | wanted
    )
    made = finish_scene(room(light=light), cutout, photograph, width=800, height=600)
    left, top, right, bottom = made.quality["box"]
    # Nothing else of the picture is as red.
    rows, columns = np.nonzero(is_red(made.pixels))
    assert (rows.min(), rows.max() + 1) == (top, bottom)
    assert (columns.min(), columns.max() + 1) == (left, right)
    body = encode(Image.fromarray(made.pixels), Format.PNG, source_type=COMPOSITE)
    box = Box(left=left, top=top, right=right, bottom=bottom)
    return render(body, find_channel("google_merchant.png"), box=box)


def is_red(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(pixels.astype(int) - RED).max(axis=2) < 30)


def shown(made: Rendered) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return a rendition's pixels, and the product's box as shares of it."""
    pixels = np.asarray(Image.open(BytesIO(made.body)))
    rows, columns = np.nonzero(is_red(pixels))
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return pixels, tuple(float(one) / len(pixels) for one in box)


@pytest.mark.parametrize("light", [False, True], ids=["dark", "nearly white"])
def test_a_scenes_product_takes_the_channels_share_and_stands_in_the_middle(light):
    made = rendition(brick(300, 200), light=light, fill=0.4)
    pixels, box = shown(made)
    assert (made.fill, made.ground) == (0.85, "kept")
    assert box[2] - box[0] == pytest.approx(0.85, abs=0.01)
    assert (box[0] + box[2]) / 2 == pytest.approx(0.5, abs=0.01)
    assert (box[1] + box[3]) / 2 == pytest.approx(0.5, abs=0.01)
    # The ground is as it was drawn, not made white.
    assert (pixels.min(axis=2) < 255).mean() > 0.5


def test_the_frame_stays_within_the_scene():
    made = rendition(brick(300, 200), fill=0.5, ground_line=0.99, margin=0.0)
    pixels, box = shown(made)
    assert box[3] == pytest.approx(0.98, abs=0.015)
    # What is repeated beyond a picture's edge is the same from row to row.
    assert np.abs(np.diff(pixels[-3:].astype(int), axis=0)).max() > 0


def test_a_product_too_large_for_its_share_is_whole():
    made = rendition(brick(200, 300), fill=0.97, margin=0.01, anchor=Anchor.CENTRE, enlarge=True)
    pixels, box = shown(made)
    assert made.fill == pytest.approx(box[3] - box[1], abs=0.01)
    assert made.fill > 0.9
    assert box[1] >= 0
    assert np.abs(np.diff(pixels[:3].astype(int), axis=0)).max() > 0
