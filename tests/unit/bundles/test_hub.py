"""Models from the Hub, with huggingface_hub's own code against a server on this machine."""

import shutil

import pytest
from huggingface_hub import constants

from core.errors import BundleError
from modelkit.export.hub import MEGABYTE, Megabytes, choose_files
from modelkit.export.source import content_hash, locate
from modelkit.progress import Silent
from tests.unit.bundles.hub_server import MODEL, serve

DESCRIPTIONS = [
    "README.md",
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "vae/config.json",
]
WEIGHTS = [
    "text_encoder/model.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
]
BALLAST = [
    "v1-5-pruned.safetensors",
    "v1-5-pruned.ckpt",
    "safety_checker/model.safetensors",
    "safety_checker/config.json",
    "feature_extractor/preprocessor_config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "text_encoder/flax_model.msgpack",
    "images/grid.png",
]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    return folder


@pytest.fixture
def hub(microscopic, cache, tmp_path, monkeypatch):
    """The microscopic model with what repositories have besides; give the server's handler."""
    folder = shutil.copytree(microscopic, tmp_path / "repository")
    for name in BALLAST:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"0" * 3000)
    with serve(folder) as (address, handler):
        point_to(address, monkeypatch)
        yield handler


def point_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what HF_ENDPOINT sets when the library is imported."""
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def test_one_copy_of_each_weight_is_chosen():
    assert choose_files([*DESCRIPTIONS, *WEIGHTS, *BALLAST], MODEL) == sorted(
        [*DESCRIPTIONS, *WEIGHTS]
    )


def test_the_index_of_a_half_copy_s_files_comes_along():
    """Without it diffusers does not find them."""
    shards = [
        f"unet/diffusion_pytorch_model.fp16-0000{number}-of-00002.safetensors" for number in (1, 2)
    ]
    index = "unet/diffusion_pytorch_model.safetensors.index.fp16.json"
    others = [name for name in WEIGHTS if not name.startswith("unet")]
    chosen = choose_files([*DESCRIPTIONS, *others, *shards, index], MODEL)
    assert {*shards, index} <= set(chosen)


def test_a_converted_model_is_taken_as_it_is():
    parts = ("text_encoder", "unet", "vae_decoder", "vae_encoder")
    models = [f"{part}/openvino_model.{kind}" for part in parts for kind in ("xml", "bin")]
    configurations = [f"{part}/config.json" for part in parts]
    names = ["model_index.json", "openvino_config.json", *models, *configurations]
    assert choose_files(names, MODEL) == sorted(["model_index.json", *models, *configurations])


def test_pickles_are_refused_before_anything_is_downloaded(hub, cache):
    (hub.folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    for name in ("fp16", "non_ema"):
        (hub.folder / "unet" / f"diffusion_pytorch_model.{name}.safetensors").unlink()
    with pytest.raises(BundleError, match=rf"{MODEL}/unet has its weights as .*\.bin, a pickle"):
        locate(MODEL)
    assert not any("/resolve/" in path for path in hub.asked)


def test_a_model_is_fetched_and_is_the_same_as_a_folder(hub, microscopic):
    folder = locate(MODEL)
    assert content_hash(folder, {}) == content_hash(microscopic, {})
    fetched = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert fetched.isdisjoint(BALLAST)


def test_what_was_fetched_is_not_fetched_again(hub):
    locate(MODEL)
    hub.asked.clear()
    locate(MODEL)
    assert not [line for line in hub.asked if line.startswith("GET") and "/resolve/" in line]


def test_what_was_fetched_is_there_without_a_network(hub, monkeypatch):
    folder = locate(MODEL)
    point_to("http://127.0.0.1:9", monkeypatch)
    assert locate(MODEL) == folder


def test_without_a_network_and_a_copy_it_is_said(cache, monkeypatch):
    point_to("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(BundleError, match="neither a folder nor a model on the Hub"):
        locate(MODEL)


def test_a_model_that_is_not_there(hub):
    with pytest.raises(BundleError, match="neither a folder nor a model on the Hub"):
        locate("someone/else")


def test_a_model_with_terms_to_accept(hub):
    hub.status = 403
    with pytest.raises(BundleError, match="HF_TOKEN"):
        locate(MODEL)


def test_a_disk_that_is_too_small_for_the_download(hub, monkeypatch):
    monkeypatch.setattr("modelkit.export.resources.free_disk", lambda folder: 1000)
    with pytest.raises(BundleError, match=f"To download {MODEL} takes about"):
        locate(MODEL)


def test_another_architecture_is_refused_from_the_hub_too(hub):
    index = hub.folder / "model_index.json"
    index.write_text(index.read_text().replace("StableDiffusionPipeline", "FluxPipeline"))
    with pytest.raises(BundleError, match="is a FluxPipeline"):
        locate(MODEL)


def test_megabytes_are_told_as_they_come():
    class Counting(Silent):
        megabytes = 0

        def advance(self, n: int = 1) -> None:
            self.megabytes += n

    counting = Counting()
    megabytes = Megabytes(counting)
    for size in (MEGABYTE // 2, MEGABYTE // 4, MEGABYTE // 4, 3 * MEGABYTE + 1, MEGABYTE - 1):
        megabytes.add(size)
    assert counting.megabytes == 5
