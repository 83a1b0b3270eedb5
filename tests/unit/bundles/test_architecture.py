"""What is refused, in which words."""

import json
import shutil

import pytest

from core.errors import BundleError
from modelkit.export.architecture import check_parts
from modelkit.export.source import locate


@pytest.fixture
def source(microscopic, tmp_path):
    return shutil.copytree(microscopic, tmp_path / "source")


def edit(path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_whole_model_passes(microscopic):
    assert locate(microscopic) == microscopic
    weights = check_parts(microscopic)
    assert set(weights) == {"text_encoder", "unet", "vae"}
    assert all(one.parameters > 1000 for one in weights.values())


@pytest.mark.parametrize(
    "kind",
    [
        "StableDiffusionXLPipeline",
        "StableDiffusion3Pipeline",
        "FluxPipeline",
        "StableDiffusionInpaintPipeline",
        "WanPipeline",
    ],
)
def test_other_pipelines_are_named_and_so_is_what_works(source, kind):
    edit(source / "model_index.json", _class_name=kind)
    with pytest.raises(BundleError, match=rf"is a {kind}, .*Stable Diffusion 1\.x or 2\.x"):
        locate(source)


@pytest.mark.parametrize(
    ("part", "kind", "sentence"),
    [
        ("unet", ["diffusers", "Transformer2DModel"], "The unet of source is Transformer2DModel"),
        ("vae", ["diffusers", "AsymmetricAutoencoderKL"], "must be AutoencoderKL"),
        ("text_encoder", ["transformers", "T5EncoderModel"], "must be CLIPTextModel"),
        ("tokenizer", [None, None], "The tokenizer of source is missing"),
    ],
)
def test_parts_of_another_kind(source, part, kind, sentence):
    edit(source / "model_index.json", **{part: kind})
    with pytest.raises(BundleError, match=sentence):
        locate(source)


@pytest.mark.parametrize(
    "path",
    [
        "unet/config.json",
        "vae/config.json",
        "text_encoder/config.json",
        "scheduler/scheduler_config.json",
    ],
)
def test_a_missing_configuration_is_named(source, path):
    (source / path).unlink()
    with pytest.raises(BundleError, match=rf"{path} is missing\. Give a complete"):
        check_parts(source)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_missing_weights_are_named(source, part):
    for file in (source / part).glob("*.safetensors"):
        file.unlink()
    with pytest.raises(BundleError, match=rf"source/{part} has no weights"):
        check_parts(source)


def test_a_missing_tokenizer_is_named(source):
    shutil.rmtree(source / "tokenizer")
    with pytest.raises(BundleError, match=r"tokenizer/vocab\.json is missing"):
        check_parts(source)


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_damaged_configuration_is_named(source, text):
    (source / "unet" / "config.json").write_text(text)
    with pytest.raises(BundleError, match=r"unet/config\.json .*Download the model again"):
        check_parts(source)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"in_channels": 9}, "takes 9 channels and gives 4, but the autoencoder has 4"),
        ({"cross_attention_dim": 2048}, "text of 2048 features, but the text encoder gives 16"),
        ({"addition_embed_type": "text_time"}, "addition_embed_type text_time"),
        ({"num_class_embeds": 1000}, "num_class_embeds 1000"),
    ],
)
def test_a_unet_with_other_inputs(source, changes, sentence):
    edit(source / "unet" / "config.json", **changes)
    with pytest.raises(BundleError, match=sentence):
        check_parts(source)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("model.ckpt", "is a pickle, which can run any code"),
        ("model.safetensors", "is a single file, of which .*give a folder in diffusers' layout"),
    ],
)
def test_a_single_file_is_no_folder(tmp_path, name, sentence):
    (tmp_path / name).write_bytes(b"weights")
    with pytest.raises(BundleError, match=sentence):
        locate(tmp_path / name)
