import torch

from starter.data.attributes import split_products
from starter.data.dataset import draw_pictures
from starter.training.autoencoder import build_autoencoder, encode, reconstruct, standardise


def test_standard_latents_change_no_picture():
    torch.manual_seed(0)
    autoencoder = build_autoencoder().eval()
    pictures = draw_pictures(split_products()[0][:6], 1, seed=1)
    before = reconstruct(autoencoder, pictures)
    standardise(autoencoder, encode(autoencoder, pictures))
    values = encode(autoencoder, pictures).movedim(1, 0).flatten(1)
    assert torch.allclose(torch.cov(values), torch.eye(4), atol=1e-3)
    assert torch.allclose(values.mean(dim=1), torch.zeros(4), atol=1e-3)
    assert torch.allclose(reconstruct(autoencoder, pictures), before, atol=1e-3)
    assert autoencoder.config.scaling_factor == 1


def test_a_fresh_autoencoder_is_almost_deterministic():
    torch.manual_seed(0)
    autoencoder = build_autoencoder()
    with torch.no_grad():
        posterior = autoencoder.encode(torch.rand(1, 3, 64, 64)).latent_dist
    assert float(posterior.std.max()) < 0.03
    assert posterior.mean.shape == (1, 4, 8, 8)
