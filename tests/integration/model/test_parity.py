"""A bundle of each kind of real model draws what diffusers draws, with every scheduler."""

from pathlib import Path

import pytest

from benchmarks.layouts import LAYOUTS, RealLayout
from benchmarks.parity import measure

SAME_AS_DIFFUSERS_DB = 40.0


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_scheduler_draws_what_diffusers_draws(layout: RealLayout, tmp_path: Path):
    found = measure(layout, tmp_path)
    near = {name: decibels for name, decibels in found.items() if decibels is not None}
    assert len(near) >= 5, found
    assert min(near.values()) >= SAME_AS_DIFFUSERS_DB, found
