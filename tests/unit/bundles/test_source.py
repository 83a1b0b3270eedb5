import json
import os

import pytest

from core.errors import BundleError
from modelkit.export.source import PROFILE, content_hash, locate, read_profile


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "source"
    (source / "unet").mkdir(parents=True)
    (source / "model_index.json").write_text("{}")
    (source / "unet" / "model.safetensors").write_bytes(b"weights")
    return source


def test_a_folder_without_a_pipeline_is_refused(tmp_path):
    with pytest.raises(BundleError, match="no model_index"):
        locate(tmp_path)


def test_a_folder_of_models_is_none(tmp_path):
    (tmp_path / "mugs.safetensors").write_bytes(b"")
    with pytest.raises(BundleError, match=r"holds one: give \S+/mugs\.safetensors"):
        locate(tmp_path)
    (tmp_path / "lamps").mkdir()
    (tmp_path / "lamps" / "model_index.json").write_text("{}")
    with pytest.raises(BundleError, match=r"holds 2 models: give one .*mugs\.safetensors, lamps"):
        locate(tmp_path)


def test_neither_a_folder_nor_a_hub_id(tmp_path):
    with pytest.raises(BundleError, match="neither a folder nor a model"):
        locate(f"{tmp_path}/absent/at/all")


def test_the_hash_forgets_times_and_places(folder, tmp_path):
    before = content_hash(folder, {"precision": "fp16"})
    os.utime(folder / "model_index.json", (0, 0))
    (folder / ".cache").mkdir()
    (folder / ".cache" / "left.json").write_text("{}")
    moved = folder.rename(tmp_path / "elsewhere")
    assert content_hash(moved, {"precision": "fp16"}) == before


@pytest.mark.parametrize("change", ["content", "name", "option", "addition"])
def test_the_hash_notices(folder, change):
    before = content_hash(folder, {"precision": "fp16"})
    weights, options = folder / "unet" / "model.safetensors", {"precision": "fp16"}
    if change == "content":
        weights.write_bytes(b"Weights")
    elif change == "name":
        weights.rename(folder / "unet" / "other.safetensors")
    elif change == "addition":
        (folder / "scheduler.json").write_text("{}")
    else:
        options = {"precision": "int8"}
    assert content_hash(folder, options) != before


def test_other_defaults_are_another_revision(folder):
    """Guidance ends elsewhere: other images, and stored ones must not be given for them."""
    (folder / PROFILE).write_text(json.dumps({"defaults": {"guidance_end": 1.0}}))
    before = content_hash(folder, {})
    (folder / PROFILE).write_text(json.dumps({"defaults": {"guidance_end": 0.8}}))
    assert content_hash(folder, {}) != before
    assert read_profile(folder).defaults.guidance_end == 0.8


def test_a_silent_source_is_taken_for_stable_diffusion(folder):
    profile = read_profile(folder)
    assert (profile.name, profile.licence) == (None, None)
    assert (profile.defaults.width, profile.sizes.max) == (512, 1024)


def test_the_licence_comes_from_the_model_card(folder):
    (folder / "README.md").write_text("---\nlicense: mit\ntags: []\n---\n# A model\n")
    assert read_profile(folder).licence == "mit"


def test_the_source_s_own_profile_wins(folder):
    (folder / PROFILE).write_text(json.dumps({"name": "mine", "defaults": {"steps": 4}}))
    assert (read_profile(folder).name, read_profile(folder).defaults.steps) == ("mine", 4)


@pytest.mark.parametrize("text", ["{", '{"defaults": {"steps": 0}}', '{"nam": "x"}'])
def test_a_damaged_profile_is_named(folder, text):
    (folder / PROFILE).write_text(text)
    with pytest.raises(BundleError, match=r"packshot\.json is damaged"):
        read_profile(folder)
