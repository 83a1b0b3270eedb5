"""`packshot tune` on a microscopic model, and a worker's plan after it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from bundles.manifest import load_manifest
from bundles.plan import find_plan, this_machine
from core.settings import Settings
from worker.plan import plan_for

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tune(bundle, tmp_path):
    def tune(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", "tune", str(bundle), *options],
            env=os.environ | {"PYTHONPATH": str(ROOT), "PACKSHOT_HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return tune


def test_a_plan_is_measured_stored_and_followed(tune, bundle, tmp_path):
    done = tune("--minutes", "0.1", "--latency-bound", "600")
    assert done.returncode == 0, done.stderr

    manifest = load_manifest(bundle)
    tuned = find_plan(tmp_path, manifest.revision, this_machine())
    assert tuned is not None
    assert Path(done.stdout.splitlines()[-1]).samefile(next((tmp_path / "plans").glob("*.json")))
    assert "steps/s" in done.stdout
    assert tuned.steps_per_second > 0
    assert 0 < tuned.image_seconds < 600
    assert (tuned.width, tuned.height) == (32, 32)
    with Image.open(next((tmp_path / "plans").glob("*.png"))) as chart:
        chart.verify()
    assert not list(tmp_path.glob(".tune-*")), "what was compiled to be measured is gone"

    settings = Settings(_env_file=None, home=tmp_path, bundle=bundle)
    assert plan_for(settings, manifest) == tuned.plan


def test_a_bound_that_nothing_meets_is_said(tune):
    done = tune("--minutes", "0.1", "--latency-bound", "0.001", "--size", "64x32")
    assert done.returncode == 0, done.stderr
    assert "No plan makes an image in 0.001 s here" in done.stderr


def test_no_bundle_is_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cli", "tune", "nothing"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PACKSHOT_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no model bundle at nothing" in done.stderr
    assert "Traceback" not in done.stderr
