"""Cut-outs as bytes, and back."""

import numpy as np
import pytest

from catalogue.cutouts.cutting import cut_out
from catalogue.cutouts.model import Cutout
from catalogue.cutouts.stored import (
    StoredCutout,
    UnreadableCutoutError,
    read_cutout,
    write_cutout,
)
from tests.unit.catalogue.cutouts.drawing import photograph


def stored(cutout: Cutout) -> StoredCutout:
    return read_cutout(write_cutout(StoredCutout(cutout=cutout)))


def test_a_cutout_is_read_as_it_was():
    pixels, _ = photograph(245, shadow=0.4)
    cutout = cut_out(pixels)
    mark = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    stored = StoredCutout(cutout=cutout, source_type=mark, notes=("It was turned.",))
    known = read_cutout(write_cutout(stored))
    assert (known.source_type, known.notes) == (mark, ("It was turned.",))
    again = known.cutout
    assert np.array_equal(again.pixels, cutout.pixels)
    assert (again.shadow is None) == (cutout.shadow is None)
    assert again.shadow is None or np.array_equal(again.shadow, cutout.shadow)
    assert (again.method, again.confidence) == (cutout.method, cutout.confidence)
    assert again.reasons == cutout.reasons


def test_one_without_a_shadow_has_none():
    pixels, alpha = photograph(245)
    mask = (alpha * 255).astype(np.uint8)
    assert stored(cut_out(pixels, mask=mask)).cutout.shadow is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "nothing"])
def test_damage_is_noticed(damage: str):
    pixels, _ = photograph(245)
    body = bytearray(write_cutout(StoredCutout(cutout=cut_out(pixels))))
    if damage == "cut":
        del body[len(body) // 2 :]
    elif damage == "flipped":
        body[len(body) // 2] ^= 255
    else:
        body.clear()
    with pytest.raises(UnreadableCutoutError):
        read_cutout(bytes(body))
