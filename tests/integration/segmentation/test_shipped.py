"""The network that packshot brings: what it is, and that it finds what it has never seen."""

import numpy as np
import pytest

from benchmarks.cutouts import ROOMS, compose
from catalogue.cutouts.cutting import cut_out
from catalogue.cutouts.model import Method
from core.pictures.photograph import read_photograph
from core.settings import Settings
from starter.cutout.export import MOST_BYTES
from starter.cutout.kinds import objects_of
from starter.scenes.objects import FOLDER
from worker.segmentation.record import SHIPPED, load_network_record
from worker.segmentation.segmenter import OpenVinoSegmenter, open_segmenter


@pytest.fixture(scope="module")
def network() -> OpenVinoSegmenter:
    found = open_segmenter(Settings(cutout_network=""))
    assert isinstance(found, OpenVinoSegmenter)
    return found


def test_it_is_small_and_of_ones_own() -> None:
    record = load_network_record(SHIPPED)
    assert (record.family, record.licence) == ("packshot", "Apache-2.0")
    assert sum((SHIPPED / name).stat().st_size for name in record.sha256) <= MOST_BYTES


def test_it_finds_products_of_unknown_kinds_in_rooms(network: OpenVinoSegmenter) -> None:
    overlaps = []
    for number, file in enumerate(objects_of(FOLDER, "test")[::6]):
        photo = compose(file, "own", ROOMS[number % len(ROOMS)].value, 320)
        pixels = read_photograph(photo.body).pixels
        cutout = cut_out(pixels, network=network)
        truth, found = photo.alpha > 0.5, cutout.pixels[..., 3] > 127
        if cutout.method is Method.NETWORK:
            overlaps.append(np.count_nonzero(truth & found) / np.count_nonzero(truth | found))
    assert len(overlaps) >= 5
    assert np.mean(overlaps) > 0.6


def test_it_says_the_same_each_time(network: OpenVinoSegmenter) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (120, 90, 3), np.uint8)
    assert np.array_equal(network.segment(pixels), network.segment(pixels))
