"""What the commands say on a processor with AVX2 alone: what it costs, and that it works."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from bundles.manifest import Quantisation
from bundles.manifest_file import load_manifest, save_manifest
from bundles.processor import read_features
from cli.commands import tune as tune_command
from cli.commands.model import build as build_command
from tests.support.made_once import MadeOnce

SLOW, NO_INT8 = "no AVX-512: every model runs", "no INT8 instructions"


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a command says on such a processor."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t\t: fpu sse4_2 avx avx2 fma\n")
    lines: list[str] = []
    monkeypatch.setenv("PACKSHOT_HOME", str(tmp_path / "home"))
    for command in (build_command, tune_command):
        monkeypatch.setattr(command, "read_features", partial(read_features, cpuinfo))
        monkeypatch.setattr(command, "say", lines.append)
    return lines


@pytest.fixture
def source(microscopic: Path) -> Path:
    return microscopic


@pytest.fixture
def bundle(made_once: MadeOnce) -> Path:
    return made_once.bundle()


def test_a_build_says_what_is_lost_before_it_begins(
    bundle: Path, source: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
):
    manifest = load_manifest(bundle)
    monkeypatch.setattr("modelkit.export.build.build", lambda *arguments, **options: manifest)
    build_command.build(str(source), name="mine")
    assert SLOW in said[0]
    assert not [line for line in said if NO_INT8 in line]


def test_an_int8_decoder_loses_as_much(
    bundle: Path, source: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
):
    manifest = load_manifest(bundle)
    monkeypatch.setattr("modelkit.export.build.build", lambda *arguments, **options: manifest)
    build_command.build(str(source), name="mine", vae=["int8"])
    assert len([line for line in said if NO_INT8 in line]) == 1


def test_a_converted_model_is_read_to_know(bundle: Path, said: list[str], tmp_path: Path):
    folder = Path(shutil.copytree(bundle, tmp_path / "int8"))
    save_manifest(load_manifest(folder).model_copy(update={"precision": "int8"}), folder)
    build_command.build(str(folder), name="mine")
    assert NO_INT8 in " ".join(said)


@pytest.mark.parametrize(
    "part", [{"precision": "int8"}, {"vae_quantisation": Quantisation(samples=1)}]
)
def test_a_model_on_the_hub_is_read_to_know(
    bundle: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, part: dict[str, object]
):
    int8 = load_manifest(bundle).model_copy(update=part)
    monkeypatch.setattr("modelkit.export.build.build", lambda *arguments, **options: int8)
    build_command.build("owner/model", name="mine")
    assert NO_INT8 in " ".join(said)


class EnoughSaidError(Exception):
    """The measurement is about to begin."""


def test_tuning_says_it_of_the_bundle(
    bundle: Path, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def enough(*_: object) -> None:
        raise EnoughSaidError

    folder = Path(shutil.copytree(bundle, tmp_path / "int8"))
    save_manifest(load_manifest(folder).model_copy(update={"precision": "int8"}), folder)
    monkeypatch.setattr(tune_command, "_settle", enough)
    with pytest.raises(EnoughSaidError):
        tune_command.tune(str(folder))
    assert SLOW in said[0]
    assert NO_INT8 in said[1]
