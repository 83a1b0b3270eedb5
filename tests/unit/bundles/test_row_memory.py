"""What images take of memory, from the configuration of their bundle."""

import json

import pytest

from bundles.manifest import Manifest, Quantisation
from bundles.row_memory import (
    DECODER_BYTES,
    TINY_DECODER_BYTES,
    UNET_BYTES,
    RowMemory,
    weights_bytes,
)


@pytest.fixture
def bundle(tmp_path):
    write(tmp_path, "unet", {"block_out_channels": [320, 640]})
    write(tmp_path, "vae_decoder", {"block_out_channels": [128, 256]})
    return tmp_path


def write(bundle, part, config):
    (bundle / part).mkdir(exist_ok=True)
    (bundle / part / "config.json").write_text(json.dumps(config))


def manifest(**values):
    return Manifest(name="one", revision="1" * 64, source="nowhere", **values)


def test_it_grows_with_channels_latents_and_rows(bundle):
    memory = RowMemory.read(bundle, manifest(), precision="f32")
    assert memory == RowMemory(unet=320 * UNET_BYTES, decoder=128 * DECODER_BYTES, scale=8)
    # Stable Diffusion's 512² with guidance: 0.6 GiB, and 1.1 to decode it.
    assert memory.of_unet(512, 512, rows=2) == 2 * 4096 * 320 * UNET_BYTES
    assert memory.of_decoder(512, 512, tile=0) == 4096 * 128 * DECODER_BYTES
    assert memory.of_decoder(2048, 256, tile=512) == 64 * 32 * 128 * DECODER_BYTES
    assert memory.most_pixels(memory.of_unet(512, 512, rows=1)) == 512 * 512
    assert memory.most_pixels(-1) == 0


def test_what_computes_less_takes_less(bundle):
    full = RowMemory.read(bundle, manifest(), precision="f32")
    int8 = manifest(precision="int8", vae_quantisation=Quantisation())
    halved = RowMemory.read(bundle, manifest(), precision="bf16")
    assert (halved.unet, halved.decoder) == (full.unet // 2, full.decoder // 2)
    quantised = RowMemory.read(bundle, int8, precision="bf16")
    assert (quantised.unet, quantised.decoder) == (full.unet // 4, full.decoder // 4)
    tiny = {"block_out_channels": [64, 64], "decoder_block_out_channels": [64, 64]}
    write(bundle, "vae_decoder", tiny)
    decoder = RowMemory.read(bundle, manifest(), precision="f32").decoder
    assert decoder == 64 * TINY_DECODER_BYTES


def test_a_bundle_that_does_not_say_so_is_not_guessed_at(bundle):
    write(bundle, "unet", {"sample_size": 64})
    assert RowMemory.read(bundle, manifest(), precision="f32") is None
    (bundle / "unet" / "config.json").unlink()
    assert RowMemory.read(bundle, manifest(), precision="f32") is None
    assert weights_bytes(bundle) == 0
    (bundle / "unet" / "openvino_model.bin").write_bytes(b"12345")
    assert weights_bytes(bundle) == 5
