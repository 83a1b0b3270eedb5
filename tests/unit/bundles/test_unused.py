"""What real folders hold besides the model is left out, and said."""

import shutil
from pathlib import Path

import pytest

from bundles.manifest_file import load_manifest
from core.errors import BundleError
from modelkit.evaluation.reference import has_weights
from modelkit.export.additions import Additions
from modelkit.export.adoption import is_converted
from modelkit.export.build import build
from modelkit.export.preparation import check_additions
from modelkit.export.unused import unused

BESIDE = (
    "safety_checker/model.safetensors",
    "safety_checker/config.json",
    "feature_extractor/preprocessor_config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "v1-5-pruned.safetensors",
    "v1-5-pruned.ckpt",
)
"""As they lie in the repository of Stable Diffusion 1.5."""


@pytest.fixture
def whole(microscopic: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(microscopic, tmp_path / "whole")
    for name in BESIDE:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"no weights at all")
    return folder


def test_nothing_is_left_out_of_what_holds_nothing_else(microscopic: Path):
    assert unused(microscopic) == []


def test_everything_else_is_named(whole: Path):
    safety, extractor, copies, files = unused(whole)
    assert "safety checker" in safety
    assert "feature extractor" in extractor
    assert copies.startswith("other copies of the weights in unet: diffusion_pytorch_model.bin, ")
    assert "non_ema" in copies
    assert files.endswith("beside it: v1-5-pruned.ckpt, v1-5-pruned.safetensors")


def test_a_bundle_is_made_of_the_rest(whole: Path, tmp_path: Path):
    assert has_weights(whole)
    build(whole, tmp_path / "bundle", precision="fp32")
    assert load_manifest(tmp_path / "bundle").precision == "fp32"
    assert not (tmp_path / "bundle" / "safety_checker").exists()


def test_a_converted_copy_beside_the_weights_is_not_the_model(microscopic: Path, tmp_path: Path):
    """As in the repository of Stable Diffusion XL."""
    folder = shutil.copytree(microscopic, tmp_path / "both")
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (folder / "unet" / name).write_bytes(b"no model at all")
    assert not is_converted(folder)
    check_additions(folder, Additions(clip_skip=1))
    assert unused(folder) == ["other copies of the weights in unet: openvino_model.bin"]
    for file in (folder / "unet").glob("*.safetensors"):
        file.unlink()
    assert is_converted(folder)
    with pytest.raises(BundleError, match="is converted already"):
        check_additions(folder, Additions(clip_skip=1))
