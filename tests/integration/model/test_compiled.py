"""The cache of compiled blobs, from which workers start in seconds."""

import numpy as np

from worker.pipeline import Pipeline


def test_blobs_hold_no_weights_and_a_start_from_them_draws_the_same(starter, tmp_path):
    first = Pipeline(starter, cache=tmp_path)
    blobs = sum(file.stat().st_size for file in tmp_path.iterdir())
    weights = sum(file.stat().st_size for file in starter.rglob("*.bin"))
    assert 0 < blobs < 0.2 * weights
    again = Pipeline(starter, cache=tmp_path)
    assert np.array_equal(first.encode(["a red mug"]), again.encode(["a red mug"]))
    latents = np.random.default_rng(0).standard_normal((1, 4, 16, 16), np.float32)
    assert np.array_equal(first.decode(latents), again.decode(latents))
