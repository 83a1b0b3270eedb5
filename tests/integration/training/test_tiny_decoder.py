"""A small decoder that learns from a bundle's own becomes that bundle's decoder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from bundles.layout import load_layout
from bundles.manifest_file import load_manifest
from bundles.plan import Plan
from core.errors import BundleError
from modelkit.evaluation.comparison import likeness
from modelkit.evaluation.parity import check_parity
from modelkit.export.additions import Additions
from modelkit.export.build import build
from modelkit.export.preparation import prepare
from modelkit.progress import Silent
from modelkit.training import taught_pictures as subject
from modelkit.training.device import Device
from modelkit.training.recipe import TrainingRecipe
from modelkit.training.tiny_decoder import Distilled, distil_decoder
from tests.integration.bundles.kinds import save_loud
from worker.pipeline import Pipeline

WIDTH = 16
CPU = Device(name="cpu", mixed=False)


def distil(bundle: Path, target: Path, *, steps: int, pictures: int = 10) -> Distilled:
    recipe = TrainingRecipe(steps=steps, batch=4, learning_rate=2e-3, average_decay=0.9)
    return distil_decoder(bundle, target, recipe=recipe, device=CPU, width=WIDTH, pictures=pictures)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    build(save_loud(folder / "source"), folder / "loud", precision="fp32")
    return folder / "loud"


@pytest.fixture(scope="module")
def made(bundle: Path) -> Distilled:
    return distil(bundle, bundle.with_name("tiny"), steps=150)


def test_it_comes_nearer_to_the_bundles_own_the_longer_it_learns(
    bundle: Path, made: Distilled, tmp_path: Path
):
    short = distil(bundle, tmp_path / "short", steps=1)
    assert len(made.decibels) == 2, "pictures 0 and 8"
    assert np.mean(made.decibels) > np.mean(short.decibels) + 3
    assert made.parameters == short.parameters


def test_the_new_bundle_decodes_as_diffusers_class_does(bundle: Path, made: Distilled):
    pipeline = Pipeline(bundle.with_name("tiny"), precision="f32", plan=Plan(threads=1))
    tiny = AutoencoderTiny.from_pretrained(bundle.with_name("tiny") / "vae_decoder")
    latents = np.random.default_rng(1).standard_normal((2, 4, 4, 6), dtype=np.float32)
    with torch.no_grad():
        wanted = tiny.decode(torch.from_numpy(latents)).sample
    pixels = (wanted / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).mul(255).round().byte().numpy()
    assert likeness(pipeline.decode(latents), pixels) >= 40


def test_everything_else_is_the_bundles_and_caches_tell_them_apart(bundle: Path, made: Distilled):
    new, old = bundle.with_name("tiny"), load_manifest(bundle)
    assert load_manifest(new) == made.manifest
    assert made.manifest.revision != old.revision
    assert made.manifest.name == "tiny"
    assert made.manifest.additions == Additions(vae=new / "vae_decoder").described()
    for part in ("unet", "text_encoder", "vae_encoder"):
        names = sorted(path.name for path in (bundle / part).iterdir())
        assert sorted(path.name for path in (new / part).iterdir()) == names
        weights = "openvino_model.bin"
        assert (new / part / weights).read_bytes() == (bundle / part / weights).read_bytes()
    layout = load_layout(new)
    assert layout.vae["_class_name"] == "AutoencoderTiny"
    assert layout.encoder == load_layout(bundle).encoder


def test_it_draws_what_diffusers_draws_with_the_decoder_that_it_holds(
    bundle: Path, made: Distilled, tmp_path: Path
):
    new = bundle.with_name("tiny")
    added = Additions(vae=new / "vae_decoder")
    prepare(bundle.with_name("source"), added, tmp_path, Silent())
    check_parity(new, made.manifest, tmp_path)


def test_what_was_drawn_before_an_interruption_is_not_drawn_again(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn = []
    real = subject.draw

    def draw(pipeline, prompt, seed, defaults):
        if len(drawn) == 2:
            drawn.append(None)
            raise KeyboardInterrupt
        drawn.append(seed)
        return real(pipeline, prompt, seed, defaults)

    monkeypatch.setattr(subject, "draw", draw)
    with pytest.raises(KeyboardInterrupt):
        distil(bundle, tmp_path / "tiny", steps=1, pictures=3)
    assert not (tmp_path / "tiny").exists()
    distil(bundle, tmp_path / "tiny", steps=1, pictures=3)
    assert drawn == [0, 1, None, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_what_cannot_be_is_refused_and_nothing_is_lost(bundle: Path, made: Distilled):
    tiny = bundle.with_name("tiny")
    with pytest.raises(BundleError, match="exists: give another name with --name"):
        distil(bundle, tiny, steps=1)
    with pytest.raises(BundleError, match="has a tiny decoder already"):
        distil(tiny, tiny.with_name("tinier"), steps=1)
    assert load_manifest(tiny) == made.manifest
