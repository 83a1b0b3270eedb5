"""Guidance distilled into a UNet: one row a step in the place of two."""

import shutil
from itertools import islice

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from core.errors import BundleError
from modelkit.export.source import read_profile
from modelkit.progress import Silent
from modelkit.training.bake import bake_guidance
from modelkit.training.device import choose_device
from modelkit.training.models import load_text_encoder
from modelkit.training.teacher import load_teacher
from tests.integration.training.conftest import Interrupted

SCALE, LOUDER = 8.0, 20.0


@pytest.fixture
def listening(microscopic, tmp_path_factory):
    """The microscopic model, with a UNet to which prompts make a difference."""
    folder = tmp_path_factory.mktemp("listening") / "tiny"
    shutil.copytree(microscopic, folder)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    with torch.no_grad():
        for name, weight in unet.named_parameters():
            if "attn2.to_out" in name:
                weight.mul_(LOUDER)
    unet.save_pretrained(folder / "unet")
    return folder


def bake(source, out, recipe, *, resume=False, say=None, scale=SCALE):
    return bake_guidance(
        source, out, guidance_scale=scale, recipe=recipe, resume=resume, say=say or Silent(),
        device=choose_device("cpu", mixed=False),
    )  # fmt: skip


def guided(unet, sample, timestep, states, empty):
    """What classifier-free guidance makes of two rows."""
    with_prompt, without = (unet(sample, timestep, one).sample for one in (states, empty))
    return without + SCALE * (with_prompt - without)


@torch.no_grad()
def test_one_row_says_about_what_guidance_makes_of_two(listening, tmp_path, recipe):
    out = tmp_path / "baked"
    enough = recipe(steps=300, batch=8, learning_rate=3e-3, average_decay=0.9)
    with torch.enable_grad():
        assert bake(listening, out, enough) == SCALE
    before, after = (
        UNet2DConditionModel.from_pretrained(folder / "unet") for folder in (listening, out)
    )
    texts = load_text_encoder(listening)
    # Where a schedule is: noise, and what the model itself makes of it.
    device = choose_device("cpu", mixed=False)
    teacher = load_teacher(listening, rows=16, device=device, seed=99, guidance_scale=SCALE)
    plain, baked = [], []
    for call in islice(teacher.calls, 20):
        rows = (call.sample[:8], call.timestep[:8])
        wanted = guided(before, *rows, call.states[:8], texts.encode([""]).expand(8, -1, -1))
        for unet, errors in ((before, plain), (after, baked)):
            found = unet(*rows, call.states[:8]).sample
            errors.append(float((found - wanted).square().mean()))
    assert np.mean(baked) < 0.5 * np.mean(plain)
    assert read_profile(out).defaults.guidance_scale == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["baked"]


def test_an_interrupted_training_goes_on_with_the_same_scale(microscopic, tmp_path, recipe):
    out = tmp_path / "baked"
    with pytest.raises(KeyboardInterrupt):
        bake(
            microscopic, out, recipe(steps=4), say=Interrupted("train the UNet without guidance", 2)
        )
    with pytest.raises(BundleError, match="begun with another guidance scale"):
        bake(microscopic, out, recipe(steps=4), resume=True, scale=2.0)
    bake(microscopic, out, recipe(steps=4), resume=True)
    assert out.is_dir()


@pytest.mark.parametrize(
    ("scale", "sentence"),
    [(None, "tiny draws without guidance: there is nothing"), (1.0, "scale of 1 is none: give")],
)
def test_where_there_is_nothing_to_bake_in(microscopic, tmp_path, recipe, scale, sentence):
    with pytest.raises(BundleError, match=sentence):
        bake(microscopic, tmp_path / "baked", recipe(), scale=scale)
    assert list(tmp_path.iterdir()) == []
