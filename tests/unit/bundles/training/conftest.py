"""The microscopic model and smaller things."""

from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def microscopic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole diffusers folder of a few kilobytes."""
    from bundles.microscopic import save_microscopic

    return save_microscopic(tmp_path_factory.mktemp("source") / "microscopic")


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    """Three rows for the microscopic UNet."""
    random = torch.Generator().manual_seed(0)
    return {
        "sample": torch.randn(3, 4, 8, 8, generator=random),
        "timestep": torch.tensor([3.0, 500.0, 998.0]),
        "encoder_hidden_states": torch.randn(3, 7, 16, generator=random),
    }
