"""How a training walks: its budget, its rows and its steps."""

from dataclasses import dataclass

from core.errors import BundleError


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRecipe:
    """The numbers of a training; the defaults of each kind of training stand in its own module."""

    minutes: float | None = None
    """Budget in wall-clock time."""
    steps: int | None = None
    """Budget in optimiser steps, where no minutes are given."""
    batch: int
    """Rows in one forward pass."""
    accumulate: int = 1
    """Forward passes for one step; where memory is short, this stands in for a larger batch."""
    learning_rate: float
    """At its peak; it warms up over the first hundredth and decays along a cosine."""
    weight_decay: float = 0.0
    average_decay: float
    """Of the moving average of the weights, which is what is saved in the end."""
    gradient_checkpointing: bool = False
    """Compute activations again on the way back: a third more time, a fraction of the memory."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that no training can walk by.

        Raises:
            BundleError: One of them.
        """
        if (self.minutes is None) == (self.steps is None):
            raise BundleError("Give the training a budget: either minutes or steps.")
        given = {
            "minutes": self.minutes,
            "steps": self.steps,
            "batch": self.batch,
            "accumulate": self.accumulate,
            "learning rate": self.learning_rate,
        }
        for name, value in given.items():
            if value is not None and value <= 0:
                raise BundleError(f"{name} must be above 0, not {value}.")
        if not 0 <= self.average_decay < 1:
            raise BundleError(
                f"The average's decay must be from 0 to below 1, not {self.average_decay}."
            )
