"""Fine-tuning on a folder of captioned images, and a smaller UNet by distillation."""

import json

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image

from core.errors import BundleError
from modelkit.export.source import read_profile
from modelkit.progress import Silent
from modelkit.training.device import choose_device
from modelkit.training.finetune import FineTuning, finetune
from modelkit.training.models import load_unet
from modelkit.training.shrink import shrink
from tests.integration.training.conftest import Interrupted


@pytest.fixture
def data(tmp_path):
    """Six captioned images."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 255, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"thing {number}")
    return folder


def tune(source, data, out, recipe, *, resume=False, say=None, **options):
    return finetune(
        source,
        data,
        out,
        options=FineTuning(**options),
        recipe=recipe,
        device=choose_device("cpu", mixed=False),
        resume=resume,
        say=say or Silent(),
    )


def test_the_result_is_a_whole_model_that_draws(microscopic, data, tmp_path, recipe):
    out = tmp_path / "tuned"
    skipped = tune(
        microscopic, data, out, recipe(gradient_checkpointing=True, accumulate=2),
        flip=True, min_snr=5.0, resolution=64,
    )  # fmt: skip
    assert skipped == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "tuned"]
    pipeline = StableDiffusionPipeline.from_pretrained(out)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        "thing 1", num_inference_steps=1, width=32, height=32, output_type="np"
    ).images
    assert np.isfinite(images).all()
    before, after = load_unet(microscopic).state_dict(), load_unet(out).state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    for part in ("vae", "text_encoder"):
        name = next(path.name for path in (out / part).glob("*.safetensors"))
        assert (out / part / name).read_bytes() == (microscopic / part / name).read_bytes()


def test_the_result_says_what_it_draws(microscopic, data, tmp_path, recipe):
    tune(microscopic, data, tmp_path / "tuned", recipe(), resolution=64)
    profile = read_profile(tmp_path / "tuned")
    assert profile.name is None
    assert profile.licence == "Apache-2.0"
    assert (profile.defaults.width, profile.defaults.height) == (64, 64)
    assert profile.prompts == tuple(f"thing {number}" for number in range(6))
    config = json.loads((tmp_path / "tuned" / "unet" / "config.json").read_text())
    assert "_name_or_path" not in config


def test_it_learns_its_images(microscopic, data, tmp_path, recipe):
    """The loss on six images falls; nothing else could make it fall."""
    out = tmp_path / "tuned"
    with pytest.raises(KeyboardInterrupt):
        tune(microscopic, data, out, recipe(steps=80, learning_rate=1e-2),
             say=Interrupted("train the UNet", 79))  # fmt: skip
    log = (tmp_path / ".tuned-training" / "log.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in log]
    assert losses[-1] < 0.9 * losses[0]


def test_an_interrupted_training_goes_on(microscopic, data, tmp_path, recipe):
    out = tmp_path / "tuned"
    with pytest.raises(KeyboardInterrupt):
        tune(microscopic, data, out, recipe(steps=4), say=Interrupted("train the UNet", 2))
    with pytest.raises(BundleError, match="go on with it by --resume"):
        tune(microscopic, data, out, recipe(steps=4))
    (data / "5.txt").write_text("another thing")
    with pytest.raises(BundleError, match="begun with another captions"):
        tune(microscopic, data, out, recipe(steps=4), resume=True)
    (data / "5.txt").write_text("thing 5")
    tune(microscopic, data, out, recipe(steps=4), resume=True)
    assert out.is_dir()
    assert not (tmp_path / ".tuned-training").exists()


def test_images_that_cannot_be_read_are_named(microscopic, data, tmp_path, recipe):
    (data / "3.png").write_bytes(b"no image")
    (skipped,) = tune(microscopic, data, tmp_path / "tuned", recipe())
    assert "3.png cannot be read" in skipped
    for name in ("1", "2"):
        (data / f"{name}.png").write_bytes(b"no image")
    with pytest.raises(BundleError, match=r"has 3 usable images .*1.png cannot be read"):
        tune(microscopic, data, tmp_path / "other", recipe())


def test_what_cannot_be_trained(microscopic, data, tmp_path, recipe):
    with pytest.raises(BundleError, match="model_index"):
        tune(data, data, tmp_path / "tuned", recipe())
    with pytest.raises(BundleError, match="give sides of 32 to 128 pixels, in steps of 16"):
        tune(microscopic, data, tmp_path / "tuned", recipe(), resolution=40)
    (tmp_path / "tuned").mkdir()
    with pytest.raises(BundleError, match="exists: choose another folder with --out"):
        tune(microscopic, data, tmp_path / "tuned", recipe())


def test_a_smaller_unet_learns_from_the_whole_one(microscopic, tmp_path, recipe):
    out = tmp_path / "small"
    before, after = shrink(
        microscopic, out, remove=["mid"], recipe=recipe(), resume=False, say=Silent(),
        device=choose_device("cpu", mixed=False),
    )  # fmt: skip
    assert after < before
    unet = UNet2DConditionModel.from_pretrained(out / "unet")
    assert unet.mid_block is None
    assert unet.num_parameters() == after
    assert read_profile(out) == read_profile(microscopic)


def test_a_part_that_is_not_there_is_named_before_anything_is_trained(
    microscopic, tmp_path, recipe
):
    with pytest.raises(BundleError, match="one layer in each stage already"):
        shrink(
            microscopic, tmp_path / "small", remove=["layers"], recipe=recipe(), resume=False,
            device=choose_device("cpu", mixed=False), say=Silent(),
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
