"""`packshot tune` on a microscopic model, and a worker's plan after it."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import openvino as ov
import pytest

from bundles.manifest_file import load_manifest
from bundles.plan import Plan, TunedPlan, find_plan, plan_for, save_plan, this_machine
from core.settings import Settings
from worker.precision import LESS as SMALLER
from worker.precision import kept_choice

pytestmark = pytest.mark.own_database

LESS = set(SMALLER) & set(ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
"""What this CPU can compute in besides FP32."""

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tune(bundle, tmp_path):
    def tune(*options: str, of: Path = bundle) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", "tune", str(of), *options],
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
    assert not list(tmp_path.glob(".tune-*")), "what was compiled to be measured is gone"

    settings = Settings(_env_file=None, home=tmp_path, bundle=bundle)
    assert plan_for(settings, manifest) == tuned.plan


def test_what_unet_and_decoder_are_computed_in_is_measured_anew(tune, made_once, tmp_path):
    halves = made_once.bundle()
    manifest, settings = load_manifest(halves), Settings(_env_file=None, home=tmp_path)
    for _ in range(2):
        done = tune("--minutes", "0.1", of=halves)
        assert done.returncode == 0, done.stderr
        choice = kept_choice(settings, manifest)
        if LESS:
            assert choice is not None
            (kept,) = (tmp_path / "precisions").glob("*.json")
            for line in (f"UNet {choice.unet}", f"decoder {choice.decoder}"):
                assert f"▸ {line}" in " ".join(done.stdout.split())
            kept.write_text(choice.model_copy(update={"unet": "f16"}).model_dump_json())
        else:
            assert choice is None
            assert "Nothing to choose" in done.stderr


def test_a_worker_process_follows_the_plan_of_its_bundle(bundle, environment, launch, tmp_path):
    plan = Plan(streams=2, rows=3, threads=2, batches=(3,), size=(32, 32))
    save_plan(
        tmp_path,
        TunedPlan(
            plan=plan, machine=this_machine(), revision=load_manifest(bundle).revision,
            width=32, height=32, steps_per_second=1, images_per_minute=1, image_seconds=1,
            tuned_at=datetime.now(UTC),
        ),
    )  # fmt: skip
    worker = launch(
        "worker", environment | {"PACKSHOT_HOME": str(tmp_path), "PACKSHOT_BUNDLE": str(bundle)}
    )
    worker.wait_until_said("ready.")
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line[:1] == "{"]
    (told,) = [line for line in lines if line["message"] == "plan"]
    assert Plan.model_validate({name: told[name] for name in Plan.model_fields}) == plan
    # Text encoder, decoder, and the UNet twice: for any shape, and for the plan's own.
    assert len(list((tmp_path / "compiled").glob("*/*.blob"))) == 4
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0


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
