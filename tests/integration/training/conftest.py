"""The microscopic model, and ways to train it in a second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bundles.training.recipe import Recipe


@pytest.fixture(scope="session")
def microscopic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole diffusers folder of a few kilobytes."""
    from bundles.microscopic import save_microscopic

    return save_microscopic(tmp_path_factory.mktemp("source") / "microscopic")


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """A few steps on a few rows."""

    def recipe(**changes: Any) -> Recipe:
        values = {"steps": 3, "batch": 4, "learning_rate": 1e-3, "average_decay": 0.5}
        return Recipe(**values | changes)

    return recipe


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    """Three rows for the microscopic UNet."""
    random = torch.Generator().manual_seed(0)
    return {
        "sample": torch.randn(3, 4, 8, 8, generator=random),
        "timestep": torch.tensor([3.0, 500.0, 998.0]),
        "encoder_hidden_states": torch.randn(3, 7, 16, generator=random),
    }


class Interrupted:
    """A `Progress` at whose n-th step somebody presses Ctrl-C."""

    def __init__(self, stage: str, after: int) -> None:
        self.wanted, self.after = stage, after
        self.name = ""

    def stage(self, name: str, total: int | None) -> None:
        """Begin the next stage."""
        self.name = name

    def advance(self, n: int = 1) -> None:
        """Count down."""
        import signal

        if self.name == self.wanted:
            self.after -= n
            if self.after == 0:
                signal.raise_signal(signal.SIGINT)
