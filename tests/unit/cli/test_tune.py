"""`packshot tune`: what it refuses."""

import pytest

from bundles.manifest import Manifest, Sizes
from cli.commands.tune import _size
from cli.errors import UsageError

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
