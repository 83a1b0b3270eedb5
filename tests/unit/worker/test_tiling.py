"""Large images are decoded in tiles, as diffusers does it."""

import numpy as np
import pytest
import torch

from tests.support.microscopic import _autoencoder
from worker.tiling import decode_tiled

TILE = 4
SCALE = 8


@pytest.fixture(scope="module")
def autoencoder():
    torch.manual_seed(0)
    autoencoder = _autoencoder(4).eval()
    autoencoder.enable_tiling()
    autoencoder.tile_latent_min_size = TILE
    autoencoder.tile_sample_min_size = TILE * SCALE
    return autoencoder


@pytest.mark.parametrize(("height", "width"), [(10, 7), (5, 12), (4, 9), (8, 8)])
def test_tiles_are_blended_as_diffusers_does_it(autoencoder, height: int, width: int):
    latents = torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(1))
    calls = []

    def decode(part: np.ndarray) -> np.ndarray:
        calls.append(part.shape)
        with torch.no_grad():
            return autoencoder.decoder(autoencoder.post_quant_conv(torch.from_numpy(part))).numpy()

    ours = decode_tiled(decode, latents.numpy(), tile=TILE, scale=SCALE)
    with torch.no_grad():
        theirs = autoencoder.decode(latents).sample.numpy()
    assert ours.shape == (2, 3, height * SCALE, width * SCALE)
    assert np.abs(theirs).max() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert max(max(shape[2:]) for shape in calls) <= TILE


def test_a_decoder_that_sees_one_pixel_at_a_time_leaves_no_seam():
    latents = np.random.default_rng(0).standard_normal((1, 3, 21, 13)).astype(np.float32)

    def decode(part: np.ndarray) -> np.ndarray:
        return part.repeat(SCALE, axis=2).repeat(SCALE, axis=3)

    tiled = decode_tiled(decode, latents, tile=8, scale=SCALE)
    np.testing.assert_allclose(tiled, decode(latents), atol=1e-6)
