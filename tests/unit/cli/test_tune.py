"""`packshot tune`: what it refuses, and the curve that it draws."""

import numpy as np
import pytest

from bundles.manifest import Manifest, Sizes
from cli.chart import INK, PAPER
from cli.errors import UsageError
from cli.tune import _size
from cli.tune_chart import Point, draw

MANIFEST = Manifest(
    name="shoes", revision="a" * 64, source="shoes", sizes=Sizes(min=64, max=256, multiple_of=32)
)


def test_the_size_is_the_bundles_unless_one_is_named():
    assert _size(None, MANIFEST) == (128, 128)
    assert _size("64x256", MANIFEST) == (64, 256)


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ("big", "write it like 512x512"),
        ("512x512", "multiples of 32 from 64 to 256"),
        ("100x128", "multiples of 32 from 64 to 256"),
    ],
)
def test_a_size_that_the_bundle_cannot_do_is_refused(size: str, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        _size(size, MANIFEST)


def test_the_chosen_plan_is_ringed():
    points = [Point(series="1 stream", x=x, y=10.0 * x, chosen=x == 4) for x in (1, 2, 4)]
    plain = draw([Point(series=p.series, x=p.x, y=p.y) for p in points], title="t")
    ringed = draw(points, title="t")
    before, after = np.asarray(plain), np.asarray(ringed)
    different = after[(before != after).any(axis=2)]
    assert len(different) > 50
    assert (different == list(bytes.fromhex(INK[1:]))).all()
    assert plain.getpixel((0, 0)) == tuple(bytes.fromhex(PAPER[1:]))


def test_one_point_is_a_picture_too():
    assert draw([Point(series="1 stream", x=8, y=0.01)], title="t").size[0] > 0
