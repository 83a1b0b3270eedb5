"""Ways to train the microscopic model in a second."""

from collections.abc import Callable
from typing import Any

import pytest

from modelkit.training.recipe import TrainingRecipe


@pytest.fixture
def recipe() -> Callable[..., TrainingRecipe]:
    """A few steps on a few rows."""

    def recipe(**changes: Any) -> TrainingRecipe:
        values = {"steps": 3, "batch": 4, "learning_rate": 1e-3, "average_decay": 0.5}
        return TrainingRecipe(**values | changes)

    return recipe


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
