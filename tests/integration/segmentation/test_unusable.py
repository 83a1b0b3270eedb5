"""A network that cannot be used keeps no worker from starting: it goes on without, and says so."""

import shutil
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from core.settings import Settings
from worker.segmentation.record import FILE_NAME, SHIPPED, digest
from worker.segmentation.segmenter import open_usable_segmenter


def usable() -> float | None:
    return REGISTRY.get_sample_value("packshot_cutout_network_usable")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "network"))


def cut_short(folder: Path) -> None:
    weights = next(folder.glob("*.bin"))
    weights.write_bytes(weights.read_bytes()[:1000])


def replaced_by_no_network(folder: Path) -> None:
    """Its digest is right, and OpenVINO cannot read it."""
    graph = next(folder.glob("*.xml"))
    before = digest(graph)
    graph.write_text("<net/>")
    record = folder / FILE_NAME
    record.write_text(record.read_text().replace(before, digest(graph)))


def without_a_record(folder: Path) -> None:
    (folder / FILE_NAME).unlink()


@pytest.mark.parametrize(
    "harm", [cut_short, replaced_by_no_network, without_a_record, shutil.rmtree]
)
def test_a_worker_goes_on_without_it_and_says_why_once(folder, harm):
    harm(folder)
    with capture_logs() as lines:
        assert open_usable_segmenter(Settings(cutout_network=str(folder))) is None
    (line,) = lines
    assert line["log_level"] == "error"
    assert "photographs of rooms" in line["event"]
    assert str(folder) in line["reason"]
    assert usable() == 0


def test_one_that_can_be_used_is(folder):
    with capture_logs() as lines:
        assert open_usable_segmenter(Settings(cutout_network=str(folder))) is not None
    assert not lines
    assert usable() == 1
