"""`packshot model build` as people run it: from the Hub, interrupted, and again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bundles.manifest_file import load_manifest
from tests.unit.bundles.hub_server import MODEL, serve

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 300


@pytest.fixture
def command(tmp_path: Path):
    """Start the command in a home of its own."""
    environment = os.environ | {
        "PACKSHOT_HOME": str(tmp_path / "home"),
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
    }

    def start(*arguments: object, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "cli", "model", "build", *map(str, arguments)],
            cwd=tmp_path,
            env=environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_a_build_from_the_hub_is_interrupted_and_goes_on(command, microscopic, tmp_path):
    bundles = tmp_path / "home" / "bundles"
    arguments = (MODEL, "--name", "mine", "--tome", "0.5", "--tome-mlp", "--precision", "bf16")
    with serve(microscopic) as (address, _):
        first = command(*arguments, HF_ENDPOINT=address)
        for line in first.stderr:
            if line.startswith("convert the models"):
                break
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=PATIENCE_SECONDS)
        assert first.returncode == 130, said
        assert "Run the same command again to continue." in said
        assert "Traceback" not in said
        assert [path.name for path in bundles.iterdir()] == [".mine.building"]

        second = command(*arguments, HF_ENDPOINT=address)
        out, said = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 0, said
    assert "Compared with diffusers: 32×32 pixels in 2 steps of ddim" in said
    assert out.strip() == str(bundles / "mine")
    assert [path.name for path in bundles.iterdir()] == ["mine"]
    manifest = load_manifest(bundles / "mine")
    assert (manifest.source, manifest.precision) == (MODEL, "bf16")
    assert manifest.token_merging is not None
    assert manifest.token_merging.ratios == (0.5,)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--name", "Mine!"], "cannot be used"),
        (["--name", "mine", "--width", "64"], "Give --width and --height together."),
        (["--name", "mine", "--tome", "half"], "--tome takes one or two shares"),
        (["--name", "mine", "--tome", "0.5,0.4,0.3"], "--tome takes one or two shares"),
        (["--name", "mine", "--tome-mlp"], "give --tome too"),
    ],
)
def test_options_that_make_no_sense(command, options, sentence):
    done = command("source", *options)
    _, said = done.communicate(timeout=PATIENCE_SECONDS)
    assert done.returncode == 1
    assert sentence in said
    assert "Traceback" not in said
