"""What the network that cuts products out learns from, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.cutouts import chosen
from starter.cutout.backdrops import draw_backdrops
from starter.cutout.kinds import objects_of
from starter.cutout.layers import draw_layers
from starter.cutout.network import CutoutNetwork, segmentation_loss
from starter.cutout.normalising import LAYOUT, as_input
from starter.cutout.samples import Pool
from starter.scenes.objects import FOLDER


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool(
        layers=draw_layers(objects_of(FOLDER, "tune"), 6, 1), backdrops=draw_backdrops(6, 2)
    )


def test_no_object_that_is_tested_on_is_learned_from() -> None:
    learned, tested = objects_of(FOLDER, "tune"), chosen(FOLDER, "test", 1000)
    assert len(learned) > 10
    assert len(tested) > 20
    assert not {one.stem for one in learned} & {one.stem for one in tested}
    assert sorted([*learned, *tested]) == objects_of(FOLDER, "all")


def test_an_objects_part_does_not_depend_on_its_company(tmp_path: Path) -> None:
    for file in objects_of(FOLDER, "tune")[::5]:
        (tmp_path / file.name).write_bytes(b"")
    assert objects_of(tmp_path, "test") == []


def test_a_photograph_shows_its_product_where_alpha_says(pool: Pool) -> None:
    rng = np.random.default_rng(5)
    for _ in range(8):
        sample = pool.photograph(rng, 96)
        assert sample.pixels.shape == (96, 96, 3)
        assert sample.alpha.shape == (96, 96)
        assert 0.005 < np.mean(sample.alpha > 127) < 0.9
        assert set(np.unique(sample.alpha)) - {0, 255}, "edges are soft"


def test_photographs_can_be_drawn_again(pool: Pool) -> None:
    first, again = (pool.photograph(np.random.default_rng(7), 64) for _ in range(2))
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.alpha, again.alpha)
    assert np.array_equal(draw_backdrops(2, 2), pool.backdrops[:2])


def test_the_network_is_asked_in_use_as_it_was_taught(pool: Pool) -> None:
    pixels = np.array(Image.fromarray(pool.backdrops[0]).resize((LAYOUT.side,) * 2))
    taught = as_input(pixels[None]).numpy()
    assert np.abs(LAYOUT.prepare(pixels) - taught).max() < 1e-5


def test_the_network_learns_a_photograph(pool: Pool) -> None:
    torch.manual_seed(1)
    sample = pool.photograph(np.random.default_rng(8), 64)
    inputs = as_input(np.stack([sample.pixels] * 2))
    alpha = torch.from_numpy(np.stack([sample.alpha] * 2)[:, None].astype(np.float32) / 255)
    network = CutoutNetwork()
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        found = network.all_logits(inputs)
        assert [one.shape[-1] for one in found] == [4, 8, 16, 64]
        loss = segmentation_loss(found, alpha)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.65 * losses[0]


def test_a_perfect_answer_costs_next_to_nothing_and_a_wrong_one_much() -> None:
    alpha = torch.zeros(1, 1, 64, 64)
    alpha[..., 16:48, 16:48] = 1
    right = 20 * (2 * alpha - 1)
    assert float(segmentation_loss([right], alpha)) < 0.01
    assert float(segmentation_loss([-right], alpha)) > 10
