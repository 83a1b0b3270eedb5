"""A model that is easy to reason about."""

import pytest
from hypothesis import HealthCheck, settings

from catalogue.checks import RequestLimits

# How long an example takes says more about the machine than about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def limits() -> RequestLimits:
    return RequestLimits(
        smallest=32,
        largest=128,
        multiple_of=32,
        max_steps=150,
        max_variants=16,
        max_images=1000,
        defaults={
            "width": 64,
            "height": 64,
            "steps": 4,
            "guidance_scale": 3.0,
            "scheduler": "ddim",
            "negative_prompt": "",
        },
    )
