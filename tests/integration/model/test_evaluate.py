"""`packshot model evaluate`, from bundle to report, on the microscopic model."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

from bundles.manifest import JUDGE, Defaults
from bundles.manifest_file import load_manifest, save_manifest
from starter.scenes.classifier import SceneClassifier, save_classifier

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(run_command: Run) -> Run:
    """Evaluate in an empty folder; give exit code, standard output and standard error."""
    return partial(run_command, "model", "evaluate")


def describe(folder: Path, **changes: object) -> None:
    save_manifest(load_manifest(folder).model_copy(update=changes), folder)


def test_two_bundles_are_compared_and_the_scores_recorded(run, bundle, tmp_path):
    other = Path(shutil.copytree(bundle, tmp_path / "other"))
    describe(bundle, scores={"clip_score": 0.5})
    describe(other, defaults=load_manifest(other).defaults.model_copy(update={"steps": 3}))
    code, out, err = run("tiny", "--against", other, "--prompts", 5, "--out", tmp_path / "out")
    assert code == 0, err
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert len(report["images"]) == 5
    assert len({image["prompt"] for image in report["images"]}) == 5
    # Another step makes another picture of the same noise.
    assert 5 < report["bundle"]["scores"]["psnr"] < 60
    assert load_manifest(bundle).scores == {"clip_score": 0.5, **report["bundle"]["scores"]}
    assert load_manifest(other).scores == {}
    assert f"{report['bundle']['scores']['psnr']:.2f} dB" in out
    with Image.open(tmp_path / "out" / "comparison.png") as sheet:
        assert sheet.height > 5 * 100


def test_the_same_bundle_draws_the_same_again(run, bundle, tmp_path):
    code, _, err = run(bundle, "--against", bundle, "--prompts", 3)
    assert code == 0, err
    assert load_manifest(bundle).scores == {"psnr": 100.0, "ssim": pytest.approx(1.0)}


def test_a_bundle_is_compared_with_what_diffusers_draws_from_its_source(run, bundle, microscopic):
    code, out, err = run("tiny", "--against", microscopic, "--prompts", 3)
    assert code == 0, err
    assert "(diffusers)" in out
    # The bundle's weights are rounded to halves.
    assert load_manifest(bundle).scores["psnr"] >= 35


def test_a_source_without_weights_is_nothing_to_compare_with(run, bundle, microscopic, tmp_path):
    source = Path(shutil.copytree(microscopic, tmp_path / "source"))
    for weights in (source / "unet").glob("*.safetensors"):
        weights.unlink()
    code, _, err = run("tiny", "--against", source)
    assert code == 1
    assert "no PyTorch weights" in err


def test_without_another_bundle_what_was_compared_before_stays(run, bundle, tmp_path):
    describe(bundle, scores={"psnr": 31.0, "ssim": 0.9})
    code, _, err = run("tiny", "--prompts", 2)
    assert code == 0, err
    assert load_manifest(bundle).scores == {"psnr": 31.0, "ssim": 0.9}
    assert (tmp_path / "packshot-evaluation" / "comparison.png").is_file()


def test_prompts_come_from_a_file(run, bundle, tmp_path):
    (tmp_path / "prompts.txt").write_text("a red mug\n\n  a blue lamp\n")
    code, _, err = run("tiny", "--prompts-file", "prompts.txt", "--seed", 4)
    assert code == 0, err
    report = json.loads((tmp_path / "packshot-evaluation" / "evaluation.json").read_text())
    assert report["images"] == [
        {"prompt": "a red mug", "seed": 4}, {"prompt": "a blue lamp", "seed": 5},
    ]  # fmt: skip


def test_a_bundle_of_the_starter_s_family_is_judged_by_its_attributes(run, bundle):
    describe(bundle, name="starter")
    code, _, err = run("tiny", "--prompts", 4)
    assert code == 0, err
    # It draws noise.
    assert load_manifest(bundle).scores["attribute_accuracy"] < 1


def test_a_bundle_that_carries_a_judge_is_compared_with_true_pictures(run, bundle, tmp_path):
    torch.manual_seed(0)
    save_classifier(SceneClassifier(), bundle / JUDGE)
    describe(bundle, scores={"psnr": 31.0})
    code, out, err = run("tiny", "--prompts", 6)
    assert code == 0, err
    scores = load_manifest(bundle).scores
    assert set(scores) == {
        "psnr", "attribute_accuracy", "mmd", "mmd_floor", "sharpness", "diversity",
    }  # fmt: skip
    report = json.loads((tmp_path / "packshot-evaluation" / "evaluation.json").read_text())
    prompts = [image["prompt"] for image in report["images"]]
    assert len(prompts) == 8, "each prompt is drawn four times"
    assert prompts[0] == prompts[3] != prompts[4] == prompts[7]
    assert set(report["bundle"]["errors"]) == set(scores) - {"psnr", "mmd_floor"}
    assert f"{scores['diversity']:.4f} ± " in out


def test_a_damaged_judge_is_named(run, bundle):
    (bundle / JUDGE).mkdir()
    code, _, err = run("tiny", "--prompts", 6)
    assert code == 1
    assert "holds no judge that can be read" in err


def test_a_bundle_that_is_not_there(run, bundle, tmp_path):
    for arguments in (["nothing"], ["tiny", "--against", "nothing"]):
        code, _, err = run(*arguments)
        assert code == 1
        assert "no model bundle at nothing" in err


def test_bundles_of_different_sizes(run, bundle, tmp_path):
    other = Path(shutil.copytree(bundle, tmp_path / "other"))
    describe(other, name="large", defaults=Defaults(width=64, height=32, scheduler="ddim"))
    code, _, err = run("tiny", "--against", other)
    assert code == 1
    assert "compare bundles whose default sizes are equal" in err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"\n  \n", "has no prompts"), (b"\xff\xfe\x00", "is not text in UTF-8"), (None, "read")],
)
def test_a_file_without_prompts(run, bundle, tmp_path, content, sentence):
    if content is not None:
        (tmp_path / "prompts.txt").write_bytes(content)
    code, _, err = run("tiny", "--prompts-file", "prompts.txt")
    assert code == 1
    assert sentence in err


def test_a_folder_that_holds_no_clip_model(run, bundle, tmp_path):
    code, _, err = run("tiny", "--clip", bundle / "text_encoder")
    assert code == 1
    assert "give one of the type clip" in err
