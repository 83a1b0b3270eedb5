"""`packshot model presets`, from bundle to manifest, on the microscopic model."""

import json
import shutil
from collections.abc import Callable
from functools import partial

import pytest
import torch
from PIL import Image

from bundles.manifest import JUDGE
from bundles.manifest_file import load_manifest, save_manifest
from starter.scenes.classifier import SceneClassifier, save_classifier

Run = Callable[..., tuple[int, str, str]]

FEW = ("--images", 8, "--scheduler", "ddim", "--steps", 1, "--steps", 3)


@pytest.fixture
def run(run_command: Run) -> Run:
    """Measure in an empty folder; give exit code, standard output and standard error."""
    return partial(run_command, "model", "presets")


def test_a_bundle_without_a_judge_is_compared_with_itself(run, bundle, tmp_path):
    before = load_manifest(bundle)
    code, out, err = run("tiny", *FEW)
    assert code == 0, err
    after = load_manifest(bundle)
    assert list(after.presets) == ["draft", "standard", "best"]
    standard = after.presets["standard"]
    assert after.defaults.steps == standard.steps
    assert after.defaults.scheduler == standard.scheduler
    assert after.revision == before.revision
    assert "UNet rows" in out
    report = json.loads((tmp_path / "packshot-presets" / "presets.json").read_text())
    steps = [point["setting"]["steps"] for point in report["points"]]
    assert steps == [before.defaults.steps, 1, 3] == [2, 1, 3]
    guidance = {point["setting"]["guidance_scale"] for point in report["points"]}
    assert guidance == {before.defaults.guidance_scale}, "SSIM cannot judge guidance"
    with Image.open(tmp_path / "packshot-presets" / "presets.png") as sheet:
        assert sheet.height > 8 * 100
        with Image.open(bundle / "presets.webp") as kept:
            assert kept.size == sheet.size


def test_a_bundle_with_a_judge_is_compared_with_true_pictures(run, bundle, tmp_path):
    torch.manual_seed(0)
    save_classifier(SceneClassifier(), bundle / JUDGE)
    code, _, err = run("tiny", *FEW, "--guidance-scale", 1, "--guidance-scale", 2.5)
    assert code == 0, err
    report = json.loads((tmp_path / "packshot-presets" / "presets.json").read_text())
    rows = [point["setting"]["rows"] for point in report["points"]]
    assert rows[1:] == [1, 2, 3, 5, 5, 6]
    intervals = {
        (point["setting"]["guidance_start"], point["setting"]["guidance_end"])
        for point in report["points"]
    }
    assert intervals == {(0.0, 1.0), (0.0, 0.5), (0.2, 0.8)}
    assert all("mmd" in point["scores"] for point in report["points"])
    assert "diversity" in load_manifest(bundle).presets["draft"].scores


def test_another_bundle_stands_beside_with_the_settings_worth_having(
    run, bundle, made_once, tmp_path
):
    other = shutil.copytree(made_once.bundle(precision="fp32"), bundle.with_name("exact"))
    manifest = load_manifest(other)
    save_manifest(manifest.model_copy(update={"name": "exact"}), other)
    code, out, err = run("tiny", *FEW, "--beside", "exact")
    assert code == 0, err
    report = json.loads((tmp_path / "packshot-presets" / "presets.json").read_text())
    worth = [point["setting"]["steps"] for point in report["points"] if point["on_frontier"]]
    beside = report["beside"]
    assert [point["setting"]["steps"] for point in beside] == sorted(worth)
    assert {point["bundle"] for point in beside} == {"exact"}
    # The same weights draw nearly the same, so the costliest is as good as this bundle's.
    assert max(point["scores"]["ssim"] for point in beside) > 0.99
    assert "exact: as good as standard with ddim" in err
    assert "s an image" in out
    assert not load_manifest(other).presets


def test_a_bundle_of_another_size_cannot_stand_beside(run, bundle, made_once):
    other = shutil.copytree(made_once.bundle(size=(64, 64)), bundle.with_name("large"))
    code, _, err = run("tiny", *FEW, "--beside", other)
    assert code == 1
    assert "compare bundles whose default sizes are equal" in err
    assert not load_manifest(bundle).presets


def test_time_that_is_too_short_is_said(run, bundle):
    code, _, err = run("tiny", *FEW, "--minutes", 0)
    assert code == 0, err
    assert "Not measured within 0 minutes: 2 of 3 settings" in err
    assert len({one.steps for one in load_manifest(bundle).presets.values()}) == 1


@pytest.mark.parametrize("option", [("--guidance-scale", 2), ("--guidance-interval", "0:0.5")])
def test_guidance_needs_a_judge(run, bundle, option):
    code, _, err = run("tiny", *FEW, *option)
    assert code == 1
    assert (
        f"carries no judge, and without one guidance cannot be compared: leave {option[0]}" in err
    )
    assert not load_manifest(bundle).presets


@pytest.mark.parametrize("interval", ["0.5", "0.5:0.2", "0:2", "a:b", "0.3:0.3"])
def test_an_interval_that_is_none(run, bundle, interval):
    save_classifier(SceneClassifier(), bundle / JUDGE)
    code, _, err = run("tiny", *FEW, "--guidance-interval", interval)
    assert code == 1
    assert f"'{interval}' is no interval: write two shares" in err


def test_a_scheduler_that_is_not_there(run, bundle):
    code, _, err = run("tiny", "--scheduler", "dpm")
    assert code == 1
    assert "does not work with the scheduler dpm: choose of ddim" in err
