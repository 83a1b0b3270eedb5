"""`packshot model check`: a bundle beside diffusers, scheduler by scheduler."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from bundles.manifest_file import load_manifest
from cli.main import app
from core.errors import BundleError
from tests.support.made_once import MadeOnce


@pytest.fixture
def bundle(made_once: MadeOnce) -> Path:
    return made_once.bundle(precision="fp32")


def run(*arguments: object) -> str:
    """Run the command; what it refuses is raised."""
    result = CliRunner().invoke(app, ["model", "check", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_bundle_is_what_its_source_is(bundle: Path, microscopic: Path):
    shown = run(bundle, "--against", microscopic, "--prompts", 1, "--scheduler", "ddim",
                "--scheduler", "euler")  # fmt: skip
    rows = [line.split() for line in shown.splitlines() if " dB" in line]
    assert [row[0] for row in rows] == ["ddim", "euler"]
    assert all(float(row[1]) >= float(row[3]) == 40 for row in rows), shown
    assert not list(bundle.parent.glob(".tiny-*"))


def test_another_model_s_bundle_is_found_out(bundle: Path, microscopic: Path, tmp_path: Path):
    other = shutil.copytree(microscopic, tmp_path / "other")
    (weights,) = (other / "vae").glob("*.safetensors")
    tensors = load_file(weights)
    tensors["decoder.conv_out.bias"] += 1
    save_file(tensors, weights, {"format": "pt"})
    with pytest.raises(BundleError, match="does not draw what diffusers draws with ddim: build it"):
        run(bundle, "--against", other, "--prompts", 1, "--scheduler", "ddim")


def test_what_a_bundle_was_built_with_is_given_again(bundle: Path, microscopic: Path):
    assert load_manifest(bundle).additions == ()
    with pytest.raises(BundleError, match="was built with nothing besides its source: give the"):
        run(bundle, "--against", microscopic, "--clip-skip", 1)
