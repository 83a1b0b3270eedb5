"""Single files in the layout of the original code become bundles that draw what diffusers draws."""

import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTextModelWithProjection
from typer.testing import CliRunner

from benchmarks.layouts import LAYOUTS, RealLayout, save_layout
from bundles.layout import load_tokenizer
from bundles.manifest import Defaults, Manifest
from bundles.plan import Plan
from bundles.records import INDEX, read_json, text_encoders
from cli.main import app
from core.errors import BundleError
from modelkit.evaluation.comparison import likeness
from modelkit.evaluation.parity import check_parity, draw
from modelkit.export.additions import Additions
from modelkit.export.build import build
from modelkit.export.configuration import read_scheduler
from modelkit.export.conversion import load_part
from modelkit.export.defaults import source_defaults
from modelkit.export.preparation import prepare, prepared
from modelkit.export.single_file import measure_prediction
from modelkit.export.weights import find_weights, read_tensors
from modelkit.families import recognition
from modelkit.families.vocabulary import save_clip_tokenizer
from modelkit.progress import Progress, Silent
from starter import SOURCE
from tests.support.made_once import MadeOnce
from tests.support.original_layout import save_single_file, single_file_tensors, vae_tensors
from worker.pipeline import Pipeline

SAME_AS_DIFFUSERS_DB = 40.0
PROMPT, SEED = "a red mug on white marble", 3

FIRST = next(one for one in LAYOUTS if one.name.startswith("Stable Diffusion 1.5"))
SECOND = next(one for one in LAYOUTS if one.name.startswith("Stable Diffusion 2.1 (v"))
WHOLE_XL = next(one for one in LAYOUTS if one.name == "Stable Diffusion XL 1.0")
XL = replace(WHOLE_XL, unet=WHOLE_XL.unet | {"layers_per_block": 2})
INPAINTING = next(one for one in LAYOUTS if one.name.startswith("Stable Diffusion 1.5 for inp"))
HALF_XL = replace(
    next(one for one in LAYOUTS if one.name.startswith("SSD-1B")), scheduler=XL.scheduler
)
"""A file says nothing of its scheduler."""
PARTS = {
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}
PIXELS = {
    "first": {"epsilon": 512, "v_prediction": 512},
    "second": {"epsilon": 512, "v_prediction": 768},
    "xl": {"epsilon": 1024, "v_prediction": 1024},
    "half_xl": {"epsilon": 1024},
    "inpainting": {"epsilon": 512},
}
"""What a family draws by what it predicts."""
REAL_TEXTS = {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407}


def tiny(made_once: MadeOnce, layout: RealLayout, pad: str) -> Path:
    """Return a tiny model of a family, with CLIP's own tokenizer."""

    def make(folder: Path) -> None:
        second = layout.second_text and layout.second_text | REAL_TEXTS
        known = replace(layout, text=layout.text | REAL_TEXTS, second_text=second)
        save_layout(known, folder)
        for name, fill in (("tokenizer", pad), ("tokenizer_2", "!")):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
                save_clip_tokenizer(folder / name, pad=fill)
        (folder / "packshot.json").unlink()

    return made_once.folder(f"family {layout}", make)


@pytest.fixture
def first(made_once: MadeOnce) -> Path:
    return tiny(made_once, FIRST, "<|endoftext|>")


@pytest.fixture
def second(made_once: MadeOnce) -> Path:
    return tiny(made_once, SECOND, "!")


@pytest.fixture
def xl(made_once: MadeOnce) -> Path:
    return tiny(made_once, XL, "<|endoftext|>")


@pytest.fixture
def inpainting(made_once: MadeOnce) -> Path:
    return tiny(made_once, INPAINTING, "<|endoftext|>")


@pytest.fixture
def half_xl(made_once: MadeOnce) -> Path:
    return tiny(made_once, HALF_XL, "<|endoftext|>")


@pytest.fixture
def small_families(
    first: Path, second: Path, xl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reduce the families to the tiny models' sizes, which their configuration leaves as it is."""
    families = []
    for family, source in zip(recognition.KNOWN_FAMILIES, (first, second, xl), strict=True):
        folder = shutil.copytree(family.folder, tmp_path / family.folder.name)
        for part in filter(lambda part: (folder / part).is_dir(), PARTS):
            shutil.copyfile(source / part / "config.json", folder / part / "config.json")
        families.append(replace(family, folder=folder))
    monkeypatch.setattr(recognition, "KNOWN_FAMILIES", tuple(families))


def theirs(file: Path, config: Path) -> Any:
    """Return diffusers' own reading of the file."""
    if (config / "text_encoder_2").is_dir():
        kind: Any = StableDiffusionXLPipeline
        options: dict[str, Any] = {"add_watermarker": False}
    else:
        kind, options = StableDiffusionPipeline, {"safety_checker": None, "feature_extractor": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind.from_single_file(
            str(file), config=str(config), local_files_only=True, torch_dtype=torch.float32,
            **options,
        )  # fmt: skip


def drawn_by(pipeline: Any, prediction: str) -> np.ndarray:
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, prediction_type=prediction
    )
    pipeline.set_progress_bar_config(disable=True)
    (image,) = pipeline(
        PROMPT, num_inference_steps=4, guidance_scale=3.0, width=64, height=64,
        generator=torch.Generator().manual_seed(SEED),
    ).images  # fmt: skip
    return np.asarray(image)


def ready(file: Path, folder: Path, **added: Any) -> Path:
    """Return the folder that a file becomes."""
    folder.mkdir()
    prepare(file, Additions(**added), folder, Silent())
    return folder


def assert_same_weights(folder: Path, pipeline: Any) -> None:
    for name, kind in PARTS.items():
        if not hasattr(pipeline, name):
            assert not (folder / name).exists()
            continue
        found = load_part(kind, folder / name).state_dict()
        wanted = getattr(pipeline, name).state_dict()
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            assert torch.equal(found[key], value), key


def ours(bundle: Path) -> np.ndarray:
    drawn = Defaults(steps=4, guidance_scale=3.0, scheduler="ddim", width=64, height=64)
    return draw(Pipeline(bundle, precision="f32", plan=Plan(threads=1)), PROMPT, SEED, drawn)


@pytest.mark.usefixtures("small_families")
@pytest.mark.parametrize("family", list(PIXELS))
def test_a_family_s_file_needs_nothing_else(
    family: str, request: pytest.FixtureRequest, tmp_path: Path
):
    source = request.getfixturevalue(family)
    file = save_single_file(single_file_tensors(source), tmp_path / "shop.safetensors")
    pipeline = theirs(file, source)
    for prediction, pixels in PIXELS[family].items():
        folder = ready(file, tmp_path / prediction, prediction_type=prediction)
        assert_same_weights(folder, pipeline)
        assert read_scheduler(folder)["prediction_type"] == prediction
        assert source_defaults(folder).width == pixels
        index = read_json(folder / INDEX)
        assert index["_class_name"] == read_json(source / INDEX)["_class_name"]
        for encoder in text_encoders(read_json(source / INDEX)):
            read = [load_tokenizer(one, encoder) for one in (folder, source)]
            one, other = (tokenizer(PROMPT, padding="max_length").input_ids for tokenizer in read)
            assert one == other


@pytest.mark.usefixtures("small_families")
@pytest.mark.parametrize(
    ("family", "prediction"),
    [("second", "v_prediction"), ("xl", "epsilon"), ("half_xl", "epsilon")],
)
def test_a_file_s_bundle_draws_what_diffusers_draws_with_the_file(
    family: str, prediction: Any, request: pytest.FixtureRequest, tmp_path: Path
):
    source = request.getfixturevalue(family)
    file = save_single_file(single_file_tensors(source), tmp_path / "shop.safetensors")
    manifest = build(
        file, tmp_path / "bundle", precision="fp32",
        additions=Additions(prediction_type=prediction), verify=compared,
    )  # fmt: skip
    assert (manifest.source, manifest.prediction_type) == ("shop.safetensors", prediction)
    wanted = drawn_by(theirs(file, source), prediction)
    assert likeness(ours(tmp_path / "bundle"), wanted) >= SAME_AS_DIFFUSERS_DB
    other = "epsilon" if prediction == "v_prediction" else "v_prediction"
    assert likeness(wanted, drawn_by(theirs(file, source), other)) < SAME_AS_DIFFUSERS_DB
    assert sorted(path.name for path in tmp_path.iterdir() if "bundle" in path.name) == ["bundle"]


def compared(bundle: Path, manifest: Manifest, source: Path, say: Progress) -> None:
    """Compare as the command does."""
    check_parity(bundle, manifest, source, say)


@pytest.mark.parametrize("family", ["first", "xl"])
def test_another_configuration_decides(family: str, request: pytest.FixtureRequest, tmp_path: Path):
    """Of a file in half precision, which stays that."""
    first = request.getfixturevalue(family)
    halves = {name: one.half() for name, one in single_file_tensors(first).items()}
    file = save_single_file(halves, tmp_path / "shop.safetensors")
    folder = ready(file, tmp_path / "folder", config=first)
    assert_same_weights(folder, theirs(file, first))
    (weights,) = find_weights(folder / "unet").files
    assert {one.dtype for one in read_tensors(weights).values()} == {"F16"}


@pytest.mark.usefixtures("small_families")
@pytest.mark.parametrize("family", ["first", "xl"])
def test_a_file_s_keys_say_what_it_predicts(
    family: str, request: pytest.FixtureRequest, tmp_path: Path
):
    first = request.getfixturevalue(family)
    tensors = single_file_tensors(first) | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    file = save_single_file(tensors, tmp_path / "shop.safetensors")
    scheduler = read_scheduler(ready(file, tmp_path / "folder"))
    assert scheduler["prediction_type"] == "v_prediction"
    assert scheduler["rescale_betas_zero_snr"]
    assert scheduler["timestep_spacing"] == "trailing"


class Noise(torch.nn.Module):
    """What a UNet that predicts velocity knows, told as noise."""

    def __init__(self, unet: UNet2DConditionModel, kept: torch.Tensor) -> None:
        super().__init__()
        self.config, self._unet, self._kept = unet.config, unet, kept

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor) -> Any:
        velocity = self._unet(sample, timestep, text).sample
        noise = self._kept.sqrt() * velocity + (1 - self._kept).sqrt() * sample
        return SimpleNamespace(sample=noise)


def test_what_a_unet_predicts_is_measured():
    """On the starter, which was trained to predict velocity, and on the same told as noise."""
    unet = UNet2DConditionModel.from_pretrained(SOURCE / "unet")
    kept = DDIMScheduler.from_pretrained(SOURCE / "scheduler").alphas_cumprod[999]
    assert measure_prediction(unet) == "v_prediction"
    assert measure_prediction(Noise(unet, kept)) == "epsilon"


@pytest.mark.parametrize(
    ("family", "prefix"),
    [("first", ""), ("first", "first_stage_model."), ("xl", "")],
    ids=["plain", "as in a model", "of XL"],
)
def test_another_autoencoder_takes_the_file_s_place(
    family: str, prefix: str, request: pytest.FixtureRequest, tmp_path: Path
):
    first = request.getfixturevalue(family)
    tensors = single_file_tensors(first)
    torch.manual_seed(7)
    config = AutoencoderKL.load_config(first / "vae")
    vae = AutoencoderKL.from_config(config)
    torch.nn.init.normal_(vae.decoder.conv_out.bias)
    other = save_single_file(vae_tensors(vae, prefix), tmp_path / "vae.safetensors")
    without = {name: one for name, one in tensors.items() if not name.startswith("first_stage")}
    file = save_single_file(without, tmp_path / "shop.safetensors")
    with pytest.raises(BundleError, match=r"has no autoencoder .*--vae"):
        build(file, tmp_path / "bundle", additions=Additions(config=first))
    folder = ready(file, tmp_path / "folder", config=first, vae=other)
    whole = save_single_file(without | vae_tensors(vae), tmp_path / "whole.safetensors")
    assert_same_weights(folder, theirs(whole, first))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cut off", r"is damaged or cut off"),
        ("a layer missing", "is not whole: weights are missing"),
        ("other widths", "does not fit its configuration"),
        ("a pickle", "is a pickle"),
        ("no config", "There is no file .*nowhere"),
    ],
)
def test_what_cannot_be_read_is_refused(first: Path, tmp_path: Path, name: str, sentence: str):
    tensors = single_file_tensors(first)
    config, file = first, tmp_path / "shop.safetensors"
    if name == "a layer missing":
        tensors.pop("model.diffusion_model.middle_block.0.in_layers.2.weight")
    if name == "other widths":
        key = "model.diffusion_model.middle_block.0.in_layers.2.weight"
        tensors[key] = torch.zeros(7, 7, 3, 3)
    save_single_file(tensors, file)
    if name == "cut off":
        file.write_bytes(file.read_bytes()[:-100])
    if name == "a pickle":
        file = file.rename(tmp_path / "shop.ckpt")
    if name == "no config":
        config = tmp_path / "nowhere"
    with pytest.raises(BundleError, match=sentence):
        build(file, tmp_path / "bundle", additions=Additions(config=config))
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_the_same_file_is_the_same_source(first: Path, tmp_path: Path):
    file = save_single_file(single_file_tensors(first), tmp_path / "shop.safetensors")
    moved = tmp_path / "elsewhere" / "other.safetensors"
    moved.parent.mkdir()
    shutil.copyfile(file, moved)
    digests = []
    for one, prediction in ((file, None), (moved, None), (moved, "v_prediction")):
        added = Additions(config=first, prediction_type=prediction)
        with prepared(one, added, tmp_path / "bundle", Silent()) as found:
            digests.append(found.digest)
    assert digests[0] == digests[1] != digests[2]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("small_families")
def test_the_command_says_how_it_read_a_file(first: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PACKSHOT_HOME", str(tmp_path / "home"))
    file = save_single_file(single_file_tensors(first), tmp_path / "shop.safetensors")
    result = CliRunner().invoke(app, ["model", "build", str(file), "--name", "shop"])
    assert result.exit_code == 0, result.exception
    text = " ".join(result.output.split())
    assert "Read as a model that predicts epsilon and draws 512×512 pixels" in text
    assert "Compared with diffusers" in text
    assert (tmp_path / "home" / "bundles" / "shop" / "manifest.json").is_file()
