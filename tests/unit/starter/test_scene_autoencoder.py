"""The scenes' linear code, beside principal components as NumPy finds them."""

import numpy as np
import pytest
import torch

from starter.scenes.autoencoder import PATCH, build_vae, encode, fit_code
from starter.scenes.pictures import Pictures, draw_scenes
from starter.scenes.subjects import split_subjects


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return draw_scenes(split_subjects()[0], 12, 7)


@pytest.fixture(scope="module")
def patches(pictures):
    """All aligned patches, (count, 192), row by row."""
    side = pictures.pixels.shape[1] // PATCH
    cut = pictures.pixels.reshape(-1, side, PATCH, side, PATCH, 3).transpose(0, 1, 3, 5, 2, 4)
    return cut.reshape(-1, 3 * PATCH * PATCH) / 127.5 - 1


@pytest.mark.parametrize("channels", [4, 16])
def test_an_encoder_computes_the_code_exactly(pictures, patches, channels):
    vae = build_vae(fit_code(pictures, channels))
    codes = encode(vae, pictures).movedim(1, 3).reshape(-1, channels).double().numpy()
    centred = patches - patches.mean(axis=0)
    left, strengths, _ = np.linalg.svd(centred, full_matrices=False)
    wanted = left[:, :channels] * strengths[:channels] ** 0.5
    wanted *= 0.6 / np.sqrt(np.mean(wanted**2))
    # A principal component has no sign of its own.
    wanted *= np.sign(np.sum(wanted * codes, axis=0))
    assert np.allclose(codes, wanted, atol=2e-3)


def test_a_code_has_one_place_for_each_patch(pictures):
    vae = build_vae(fit_code(pictures, 16))
    image = torch.rand(1, 3, 64, 32) * 2 - 1
    before = vae.encode(image).latents
    image[:, :, 8:16, 16:24] = 0
    changed = (vae.encode(image).latents != before).any(dim=1)[0]
    assert before.shape == (1, 16, 8, 4)
    assert changed.nonzero().tolist() == [[1, 2]]


def test_latents_are_of_unit_size(pictures):
    vae = build_vae(fit_code(pictures))
    latents = encode(vae, pictures) * vae.config.scaling_factor
    assert float(latents.square().mean()) == pytest.approx(1, rel=1e-3)
