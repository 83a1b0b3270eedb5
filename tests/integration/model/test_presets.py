"""`packshot model presets`, from bundle to manifest, on the microscopic model."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from bundles.manifest import JUDGE, load_manifest
from cli.main import main
from core.settings import get_settings
from starter.scenes.classifier import SceneClassifier, save_classifier
from tests.support.made_once import MadeOnce

Run = Callable[..., tuple[int, str, str]]

FEW = ("--images", 8, "--scheduler", "ddim", "--steps", 1, "--steps", 3)


@pytest.fixture
def bundle(made_once: MadeOnce, tmp_path: Path) -> Path:
    """A bundle in a home of its own, under the name `tiny`."""
    return Path(shutil.copytree(made_once.bundle(), tmp_path / "home" / "bundles" / "tiny"))


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Measure in an empty folder; give exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PACKSHOT_HOME", str(tmp_path / "home"))

    def call(*arguments: object) -> tuple[int, str, str]:
        get_settings.cache_clear()
        monkeypatch.setattr("sys.argv", ["packshot", "model", "presets", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield call
    get_settings.cache_clear()


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


def test_a_bundle_with_a_judge_is_compared_with_true_pictures(run, bundle, tmp_path):
    torch.manual_seed(0)
    save_classifier(SceneClassifier(), bundle / JUDGE)
    code, _, err = run("tiny", *FEW, "--guidance-scale", 1, "--guidance-scale", 2.5)
    assert code == 0, err
    report = json.loads((tmp_path / "packshot-presets" / "presets.json").read_text())
    rows = [point["setting"]["rows"] for point in report["points"]]
    assert rows[1:] == [1, 2, 3, 6]
    assert all("mmd" in point["scores"] for point in report["points"])
    assert "diversity" in load_manifest(bundle).presets["draft"].scores


def test_time_that_is_too_short_is_said(run, bundle):
    code, _, err = run("tiny", *FEW, "--minutes", 0)
    assert code == 0, err
    assert "Not measured within 0 minutes: 2 of 3 settings" in err
    assert len({one.steps for one in load_manifest(bundle).presets.values()}) == 1


def test_guidance_needs_a_judge(run, bundle):
    code, _, err = run("tiny", *FEW, "--guidance-scale", 2)
    assert code == 1
    assert "carries no judge" in err
    assert not load_manifest(bundle).presets


def test_a_scheduler_that_is_not_there(run, bundle):
    code, _, err = run("tiny", "--scheduler", "dpm")
    assert code == 1
    assert "does not work with the scheduler dpm: choose of ddim" in err
