"""What is refused, in which words."""

import json
import shutil

import pytest

from benchmarks.layouts import LAYOUTS, save_layout
from core.errors import BundleError
from modelkit.export.architecture import check_parts
from modelkit.export.source import locate, read_profile
from modelkit.progress import Silent
from modelkit.training.models import locate_whole


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
        "StableDiffusion3Pipeline",
        "FluxPipeline",
        "StableDiffusionInstructPix2PixPipeline",
        "WanPipeline",
    ],
)
def test_other_pipelines_are_named_and_so_is_what_works(source, kind):
    edit(source / "model_index.json", _class_name=kind)
    with pytest.raises(BundleError, match=rf"is a {kind}, .*Stable Diffusion 1\.x, 2\.x or XL"):
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
        ({"in_channels": 8}, "takes 8 channels and gives 4, but .* takes 4, or 9 for inpainting"),
        ({"cross_attention_dim": 2048}, "text of 2048 features, but the text encoder gives 16"),
        ({"addition_embed_type": "text_time"}, "has addition_embed_type text_time, but .* None"),
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


@pytest.fixture(scope="module")
def whole_xl(tmp_path_factory):
    layout = next(one for one in LAYOUTS if one.name == "Stable Diffusion XL 1.0")
    return save_layout(layout, tmp_path_factory.mktemp("xl") / "source")


@pytest.fixture
def xl(whole_xl, tmp_path):
    return shutil.copytree(whole_xl, tmp_path / "source")


def test_a_whole_model_of_two_encoders_passes(xl):
    assert locate(xl) == xl
    assert set(check_parts(xl)) == {"text_encoder", "text_encoder_2", "unet", "vae"}


def test_the_refiner_is_named(xl):
    edit(
        xl / "model_index.json",
        _class_name="StableDiffusionXLImg2ImgPipeline",
        requires_aesthetics_score=True,
        text_encoder=[None, None],
        tokenizer=[None, None],
    )
    with pytest.raises(BundleError, match=r"is the refiner of Stable Diffusion XL.*the base model"):
        locate(xl)


def test_a_second_encoder_that_the_index_does_not_name_is_missing(xl):
    edit(xl / "model_index.json", text_encoder_2=[None, None])
    with pytest.raises(BundleError, match="The text_encoder_2 of source is missing"):
        locate(xl)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("text_encoder_2", r"text_encoder_2/config\.json is missing"),
        ("tokenizer_2", r"tokenizer_2/vocab\.json is missing"),
    ],
)
def test_a_missing_folder_of_the_second_encoder_is_named(xl, part, sentence):
    shutil.rmtree(xl / part)
    with pytest.raises(BundleError, match=sentence):
        check_parts(xl)


@pytest.mark.parametrize(
    ("part", "changes", "sentence"),
    [
        ("unet", {"in_channels": 5}, "takes 5 channels and gives 4.* not one for .* depth"),
        ("unet", {"addition_embed_type": None}, "has addition_embed_type None, but .* text_time"),
        ("unet", {"cross_attention_dim": 48}, "reads text of 48 features, but .* 80"),
        ("text_encoder_2", {"projection_dim": 24}, "reads 88 numbers .* gives 24 and the size 48"),
    ],
)
def test_parts_of_other_models(xl, part, changes, sentence):
    edit(xl / part / "config.json", **changes)
    with pytest.raises(BundleError, match=sentence):
        check_parts(xl)


def test_tokenizers_of_two_lengths(xl):
    edit(xl / "tokenizer_2" / "tokenizer_config.json", model_max_length=64)
    with pytest.raises(BundleError, match=r"read 77 and 64 tokens.*correct model_max_length"):
        check_parts(xl)


def test_training_of_an_inpainting_model_is_refused(source):
    edit(source / "unet" / "config.json", in_channels=9)
    with pytest.raises(BundleError, match="is an inpainting model, which packshot does not train"):
        locate_whole(source, Silent())


def test_training_is_refused(xl):
    with pytest.raises(BundleError, match="which packshot does not train yet"):
        locate_whole(xl, Silent())


def test_defaults_are_those_of_its_pipeline(xl):
    (xl / "packshot.json").unlink()
    profile = read_profile(xl)
    assert (profile.defaults.guidance_scale, profile.defaults.width) == (5.0, 1024)
    assert profile.sizes.max >= 1536, "its buckets are up to twice as wide as high"
