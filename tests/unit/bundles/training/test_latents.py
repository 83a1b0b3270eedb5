"""Latents on disk: encoded once, whatever was interrupted."""

import os

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from PIL import Image

from modelkit.export.conversion import load_part
from modelkit.progress import Silent
from modelkit.training.device import choose_device
from modelkit.training.images import Captioned, LatentStore


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    found = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(path)
        found.append(Captioned(path=path, text=f"image {number}"))
    return tuple(found)


@pytest.fixture
def encode(microscopic, tmp_path):
    def encode(images, *, flip=False, width=32):
        store = LatentStore(tmp_path / "latents", microscopic, width=width, height=32)
        device = choose_device("cpu", mixed=False)
        return store.encode(images, flip=flip, device=device, say=Silent())

    return encode


def test_latents_are_those_of_the_autoencoder(encode, images, microscopic):
    examples, skipped = encode(images)
    assert skipped == []
    assert [example.text for example in examples] == [image.text for image in images]
    autoencoder = load_part(AutoencoderKL, microscopic / "vae")
    pixels = torch.from_numpy(np.asarray(Image.open(images[3].path)).copy())
    picture = pixels.permute(2, 0, 1)[None].float() / 127.5 - 1
    wanted = autoencoder.encode(picture).latent_dist.mode() * autoencoder.config.scaling_factor
    assert torch.allclose(examples[3].latents(), wanted[0], atol=2e-2)


def test_a_tiny_autoencoder_encodes_too(images, tmp_path):
    torch.manual_seed(0)
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4,
        scaling_factor=1.5,
    )  # fmt: skip
    tiny.save_pretrained(tmp_path / "source" / "vae")
    store = LatentStore(tmp_path / "latents", tmp_path / "source", width=32, height=32)
    device = choose_device("cpu", mixed=False)
    examples, skipped = store.encode(images[:1], flip=False, device=device, say=Silent())
    assert skipped == []
    pixels = torch.from_numpy(np.asarray(Image.open(images[0].path)).copy())
    picture = pixels.permute(2, 0, 1)[None].float() / 127.5 - 1
    wanted = tiny.eval().encode(picture).latents * 1.5
    assert torch.allclose(examples[0].latents(), wanted[0], atol=2e-2)


def test_mirror_images_are_encoded_too(encode, images, tmp_path):
    plain = Image.open(images[0].path)
    plain.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    mirrored = Captioned(path=tmp_path / "mirrored.png", text="")
    (first, other), _ = encode([images[0], mirrored], flip=True)
    assert torch.allclose(first.latents(1), other.latents(0))
    assert not torch.allclose(first.latents(0), first.latents(1))


def test_what_was_encoded_is_not_encoded_again(encode, images, tmp_path):
    encode(images[:3])
    before = {path: os.stat(path).st_mtime_ns for path in (tmp_path / "latents").iterdir()}
    encode(images)
    after = {path: os.stat(path).st_mtime_ns for path in (tmp_path / "latents").iterdir()}
    assert len(after) == 6
    assert before.items() <= after.items()


def test_another_size_has_latents_of_its_own(encode, images):
    (narrow,), _ = encode(images[:1])
    (wide,), _ = encode(images[:1], width=64)
    assert narrow.latents().shape == (4, 4, 4)
    assert wide.latents().shape == (4, 4, 8)


def test_an_image_that_cannot_be_read_is_named_and_left_out(encode, images):
    images[2].path.write_bytes(images[2].path.read_bytes()[:300])
    images[4].path.unlink()
    examples, skipped = encode(images)
    assert [example.text for example in examples] == ["image 0", "image 1", "image 3", "image 5"]
    assert len(skipped) == 2
    assert {path.name for path in (images[2].path, images[4].path)} == {
        line.split(" cannot be read")[0].split("/")[-1] for line in skipped
    }
