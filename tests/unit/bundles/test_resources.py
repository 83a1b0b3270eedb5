"""Memory and disk are looked at before work begins."""

import psutil
import pytest

from core.errors import BundleError
from modelkit.export import resources
from modelkit.export.resources import PROGRAM, QUANTISE, require_resources
from modelkit.export.weights import Weights
from worker import memory


def container(folder, *, limit: str, used: int, cache: int):
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cache}\nactive_file 7\n")


@pytest.mark.parametrize(
    ("limit", "free"), [(str(10 * 2**20), 4 * 2**20), (str(2**20), 0), ("max", None)]
)
def test_a_container_s_limit_counts(tmp_path, monkeypatch, limit, free):
    container(tmp_path, limit=limit, used=8 * 2**20, cache=2 * 2**20)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 2**40}))
    assert resources.free_memory() == (2**40 if free is None else free)


def test_without_a_container_the_machine_s_memory_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "absent")
    assert 0 < resources.free_memory() <= psutil.virtual_memory().total


def test_the_disk_of_a_folder_that_is_yet_to_be(tmp_path):
    assert resources.free_disk(tmp_path / "not" / "yet") > 0


@pytest.mark.parametrize(("precision", "factor"), [("int8", QUANTISE), ("fp16", 1.2)])
def test_the_need_grows_with_the_weights(tmp_path, monkeypatch, precision, factor):
    weights = {
        part: Weights(files=(), variant=None, parameters=count)
        for part, count in {"text_encoder": 10**8, "unet": 10**9, "vae": 10**8}.items()
    }
    needed = int(factor * 4 * 10**9) + PROGRAM
    monkeypatch.setattr(resources, "free_disk", lambda folder: 2**50)
    monkeypatch.setattr(resources, "free_memory", lambda: needed + 1)
    require_resources(weights, tmp_path, precision=precision)
    monkeypatch.setattr(resources, "free_memory", lambda: needed - 2**20)
    with pytest.raises(BundleError, match="larger machine"):
        require_resources(weights, tmp_path, precision=precision)


def test_whole_weights_take_twice_the_disk(tmp_path, monkeypatch):
    weights = {"unet": Weights(files=(), variant=None, parameters=10**6)}
    monkeypatch.setattr(resources, "free_memory", lambda: 2**50)
    monkeypatch.setattr(resources, "free_disk", lambda folder: 3 * 10**6)
    require_resources(weights, tmp_path, precision="fp16")
    with pytest.raises(BundleError, match="PACKSHOT_HOME"):
        require_resources(weights, tmp_path, precision="fp32")
