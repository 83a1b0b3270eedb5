"""Every stage of the scenes' training, for a moment each: what comes out is a pipeline."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline

from modelkit.training.device import Device
from starter.scenes.train import MINUTES, Trainer

PICTURES = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("scenes")
    trainer = Trainer(
        made, Device(name="cpu", mixed=False), minutes=0.01, resume=False, pictures=PICTURES
    )
    for stage in MINUTES:
        trainer.run(stage)
    return made


def test_diffusers_draws_with_the_result(folder):
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder / "weights", torch_dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline.vae, AutoencoderTiny)
    images = pipeline(
        ["a red mug on a wooden table"] * 2, num_inference_steps=2, width=128, height=128,
        generator=torch.Generator().manual_seed(1), output_type="np",
    ).images  # fmt: skip
    assert images.shape == (2, 128, 128, 3)
    assert np.isfinite(images).all()
    assert not np.array_equal(images[0], images[1])


def test_a_stage_goes_on_from_its_checkpoint(folder):
    before = torch.load(folder / "unet.pt", weights_only=True)
    latents = (folder / "latents.pt").stat().st_mtime_ns
    minutes = before["spent"] / 60 + 0.01
    device = Device(name="cpu", mixed=False)
    trainer = Trainer(folder, device, minutes=minutes, resume=True, pictures=PICTURES)
    trainer.run("unet")
    after = torch.load(folder / "unet.pt", weights_only=True)
    assert after["step"] > before["step"]
    assert after["spent"] > before["spent"]
    assert (folder / "latents.pt").stat().st_mtime_ns == latents
