"""Words that a model is taught, layers that are left out, another autoencoder: as in diffusers."""

import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import save_file

from bundles.manifest import Defaults, Manifest
from bundles.plan import Plan
from cli.commands.model.additions import read_additions, split_option, vae_precision
from cli.errors import UsageError
from core.domain.schedulers import SCHEDULERS
from core.errors import BundleError
from modelkit.evaluation.comparison import likeness
from modelkit.evaluation.parity import check_parity, draw
from modelkit.export.additions import Additions, Embedding, Lora
from modelkit.export.build import build
from modelkit.export.order import GivenDefaults
from modelkit.export.preparation import check_additions, prepare
from modelkit.progress import Progress, Silent
from tests.integration.bundles.kinds import save_loud
from tests.support.made_once import MadeOnce
from worker.pipeline import Pipeline

SAME_AS_DIFFUSERS_DB = 40.0
SEED = 4
WIDTH = 16


@pytest.fixture
def source(made_once: MadeOnce) -> Path:
    return made_once.folder("loud", save_loud)


def theirs(source: Path) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(
        source, torch_dtype=torch.float32, safety_checker=None
    )
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def ready(source: Path, folder: Path, **added: Any) -> StableDiffusionPipeline:
    """Return diffusers' pipeline of what a source becomes."""
    folder.mkdir()
    check_additions(source, Additions(**added))
    prepare(source, Additions(**added), folder, Silent())
    return theirs(folder)


def encoded(pipeline: StableDiffusionPipeline, prompt: str, **options: Any) -> torch.Tensor:
    states, _ = pipeline.encode_prompt(prompt, "cpu", 1, False, **options)
    return states


@pytest.fixture
def vectors() -> torch.Tensor:
    return 3 * torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(8))


def test_a_word_means_the_vectors_of_its_file(source: Path, vectors: torch.Tensor, tmp_path: Path):
    one, several = tmp_path / "one.safetensors", tmp_path / "housestyle.safetensors"
    save_file({"<shop-mug>": vectors[0]}, one)
    save_file({"emb_params": vectors}, several)
    found = ready(source, tmp_path / "model", embeddings=(
        Embedding(file=one), Embedding(file=several), Embedding(file=several, token="<style>"),
    ))  # fmt: skip
    reference, plain = theirs(source), theirs(source)
    reference.load_textual_inversion({"<shop-mug>": vectors[0]})
    reference.load_textual_inversion({"housestyle": vectors})
    reference.load_textual_inversion({"<style>": vectors})
    for prompt in ("a <shop-mug> on wood", "a mug, housestyle", "a mug, <style>", "a red mug"):
        wanted = encoded(reference, prompt)
        torch.testing.assert_close(encoded(found, prompt), wanted)
        assert torch.allclose(encoded(plain, prompt), wanted) == (prompt == "a red mug")


@pytest.fixture
def deep(source: Path, tmp_path: Path) -> Path:
    """The same model with a text encoder of three layers."""
    from transformers import CLIPTextConfig, CLIPTextModel

    folder = shutil.copytree(source, tmp_path / "deep")
    config = CLIPTextConfig.from_pretrained(folder / "text_encoder")
    config.num_hidden_layers = 3
    torch.manual_seed(5)
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    return folder


@pytest.mark.parametrize("layers", [1, 2])
def test_layers_that_are_left_out_are_diffusers_clip_skip(deep: Path, layers: int, tmp_path: Path):
    found = ready(deep, tmp_path / "model", clip_skip=layers)
    wanted = encoded(theirs(deep), "a red mug", clip_skip=layers)
    torch.testing.assert_close(encoded(found, "a red mug"), wanted)
    assert not torch.allclose(encoded(theirs(deep), "a red mug"), wanted)


def test_not_every_layer_can_be_left_out(deep: Path, tmp_path: Path):
    with pytest.raises(BundleError, match="has 3 layers: --clip-skip can leave out 2 at most"):
        ready(deep, tmp_path / "model", clip_skip=3)


def test_another_autoencoder_of_a_folder(source: Path, tmp_path: Path):
    torch.manual_seed(9)
    other = AutoencoderKL.from_config(AutoencoderKL.load_config(source / "vae"))
    torch.nn.init.normal_(other.decoder.conv_out.bias)
    other.save_pretrained(tmp_path / "vae")
    found = ready(source, tmp_path / "model", vae=tmp_path / "vae").vae.state_dict()
    for name, value in other.state_dict().items():
        assert torch.equal(found[name], value)


def test_a_bundle_draws_with_its_additions_and_tells_them(
    source: Path, vectors: torch.Tensor, tmp_path: Path
):
    file = tmp_path / "mug.safetensors"
    save_file({"<mug>": vectors[0]}, file)
    added = Additions(embeddings=(Embedding(file=file),))
    manifest = build(source, tmp_path / "bundle", precision="fp32", additions=added,
                     verify=compared)  # fmt: skip
    (told,) = manifest.additions
    assert (told.kind, told.name, len(told.sha256)) == ("embedding", "mug.safetensors", 64)
    assert manifest.source == source.name
    reference = theirs(source)
    reference.load_textual_inversion({"<mug>": vectors[0]})
    (image,) = reference(
        "a <mug> on wood", num_inference_steps=2, guidance_scale=3.0, width=32, height=32,
        generator=torch.Generator().manual_seed(SEED),
    ).images  # fmt: skip
    pipeline = Pipeline(tmp_path / "bundle", precision="f32", plan=Plan(threads=1))
    drawn = Defaults(steps=2, guidance_scale=3.0, scheduler="ddim", width=32, height=32)
    found = draw(pipeline, "a <mug> on wood", SEED, drawn)
    assert likeness(found, np.asarray(image)) >= SAME_AS_DIFFUSERS_DB
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", file.name]


def compared(bundle: Path, manifest: Manifest, source: Path, say: Progress) -> None:
    """Compare as the command does."""
    check_parity(bundle, manifest, source, say)


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "euler_ancestral", "lcm", "tcd"])
def test_few_trailing_steps_are_those_of_diffusers(source: Path, scheduler: str, tmp_path: Path):
    added = Additions(timestep_spacing="trailing")
    given = GivenDefaults(steps=2, guidance_scale=0, scheduler=scheduler)
    manifest = build(source, tmp_path / "bundle", precision="fp32", additions=added,
                     defaults=given, verify=compared)  # fmt: skip
    assert [(one.kind, one.name) for one in manifest.additions] == [
        ("timestep_spacing", "trailing")
    ]
    reference = theirs(source)
    kind = getattr(diffusers, SCHEDULERS[scheduler])
    # As the cards of such models write it.
    reference.scheduler = kind.from_config(reference.scheduler.config, timestep_spacing="trailing")
    (image,) = reference(
        "a mug", num_inference_steps=2, guidance_scale=0, width=32, height=32,
        generator=torch.Generator().manual_seed(SEED),
    ).images  # fmt: skip
    pipeline = Pipeline(tmp_path / "bundle", precision="f32", plan=Plan(threads=1))
    found = draw(pipeline, "a mug", SEED, manifest.defaults)
    assert likeness(found, np.asarray(image)) >= SAME_AS_DIFFUSERS_DB


def test_what_was_built_before_timesteps_could_be_chosen_keeps_its_revision():
    assert Additions(clip_skip=1).digest() == (
        "833a72b5011672223bb909f73adb3ca90048f5d7b44d904816b32fc3ec4789da"
    )


def test_every_addition_makes_another_source(vectors: torch.Tensor, tmp_path: Path):
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    save_file({"emb_params": vectors}, one)
    save_file({"emb_params": vectors}, other)
    several: list[dict[str, Any]] = [
        {},
        {"clip_skip": 1},
        {"timestep_spacing": "trailing"},
        {"timestep_spacing": "leading"},
        {"vae": one},
        {"embeddings": (Embedding(file=one),)},
        {"embeddings": (Embedding(file=other),)},
        {"embeddings": (Embedding(file=one, token="<word>"),)},
        {"loras": (Lora(file=one),)},
        {"loras": (Lora(file=one, weight=0.5),)},
    ]
    assert len({Additions(**added).digest() for added in several}) == len(several)
    moved = tmp_path / "elsewhere" / "one.safetensors"
    moved.parent.mkdir()
    before = Additions(**several[5]).digest()
    shutil.copyfile(one, moved)
    assert Additions(embeddings=(Embedding(file=moved),)).digest() == before


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"<mug>": torch.zeros(768)}, "vectors of 768 numbers, .* reads 16"),
        ({"a": torch.zeros(16), "b": torch.zeros(16)}, "is no textual inversion: it has 2 tensors"),
        (
            {"clip_l": torch.zeros(1, 16), "clip_g": torch.zeros(1, 16)},
            "Stable Diffusion XL, and",
        ),
        ({"a</w>": torch.zeros(16)}, "knows the word a</w> already"),
        (None, "is damaged or cut off"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    source: Path, tmp_path: Path, tensors: dict[str, torch.Tensor] | None, sentence: str
):
    file = tmp_path / "mug.safetensors"
    if tensors is None:
        file.write_bytes(b"nothing")
    else:
        save_file(tensors, file)
    with pytest.raises(BundleError, match=sentence):
        ready(source, tmp_path / "model", embeddings=(Embedding(file=file),))


def test_pickled_additions_are_refused(source: Path, tmp_path: Path):
    (tmp_path / "mug.pt").write_bytes(b"\x80\x04.")
    with pytest.raises(BundleError, match=r"mug\.pt is a pickle"):
        ready(source, tmp_path / "model", embeddings=(Embedding(file=tmp_path / "mug.pt"),))


def test_a_folder_has_its_own_configuration(source: Path, tmp_path: Path):
    with pytest.raises(BundleError, match="--prediction-type are for single files"):
        ready(source, tmp_path / "model", prediction_type="epsilon")


def test_a_converted_model_takes_nothing(made_once: MadeOnce, tmp_path: Path):
    with pytest.raises(BundleError, match="is converted already: give the original model"):
        ready(made_once.bundle(), tmp_path / "model", clip_skip=1)


def test_the_command_s_options(tmp_path: Path):
    colon = tmp_path / "a:b.safetensors"
    colon.touch()
    assert split_option(str(colon)) == (colon, None)
    assert split_option("mug.safetensors:<mug>") == (Path("mug.safetensors"), "<mug>")
    assert split_option("mug.safetensors") == (Path("mug.safetensors"), None)
    none = {"embeddings": (), "loras": (), "clip_skip": 0, "config": None, "prediction": None}
    assert not read_additions(vae=("int8",), **none)
    assert read_additions(vae=("int8", "x.safetensors"), **none).vae == Path("x.safetensors")
    assert vae_precision(("x.safetensors", "int8")) == "int8"
    (lora,) = read_additions(vae=(), **none | {"loras": ["shop.safetensors:0.8"]}).loras
    assert (lora.file, lora.weight) == (Path("shop.safetensors"), 0.8)
    with pytest.raises(UsageError, match=r"is a number, such as --lora shop:0\.8"):
        read_additions(vae=(), **none | {"loras": ["shop:much"]})
    with pytest.raises(UsageError, match="one autoencoder"):
        read_additions(vae=("x", "y"), **none)
    with pytest.raises(UsageError, match="float and int8"):
        vae_precision(("float", "int8"))
    with pytest.raises(UsageError, match="epsilon or v_prediction"):
        read_additions(vae=(), **none | {"prediction": "sample"})
