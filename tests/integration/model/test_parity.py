"""A bundle of each kind of real model draws what diffusers draws, with every scheduler."""

from pathlib import Path

import pytest

from benchmarks.layouts import LAYOUTS, RealLayout
from benchmarks.parity import measure

SAME_AS_DIFFUSERS_DB = 40.0

DRAWN = (0, 3, 6, 7)
"""Stable Diffusion 1.5's early files, v-prediction, SDE in FP16 and three files, and SD-Turbo."""


@pytest.mark.parametrize(
    "layout",
    [pytest.param(LAYOUTS[number], marks=[pytest.mark.slow] if number else []) for number in DRAWN],
    ids=lambda layout: layout.name,
)
def test_every_scheduler_draws_what_diffusers_draws(layout: RealLayout, tmp_path: Path):
    found = measure(layout, tmp_path)
    near = {name: decibels for name, decibels in found.items() if decibels is not None}
    assert len(near) >= 5, found
    assert min(near.values()) >= SAME_AS_DIFFUSERS_DB, found
