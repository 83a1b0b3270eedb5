"""What the commands that train have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.build import INTERRUPTED
from cli.console import say
from cli.stages import Stages

if TYPE_CHECKING:
    from modelkit.training.device import Device
    from modelkit.training.recipe import TrainingRecipe

Source = Annotated[
    str, typer.Argument(help="A folder in diffusers' layout, or the id of one on the Hub.")
]
Out = Annotated[Path, typer.Option(help="Folder for the result; must not exist.")]
Minutes = Annotated[float | None, typer.Option(help="Train for so long, in the place of --steps.")]
Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps.")]
Batch = Annotated[int, typer.Option(min=1, help="Rows in one forward pass.")]
Accumulate = Annotated[
    int, typer.Option(min=1, help="Forward passes for one step, where memory is short.")
]
Checkpointing = Annotated[
    bool,
    typer.Option(
        "--gradient-checkpointing",
        help="A third more time for a fraction of the memory.",
    ),
]
LearningRate = Annotated[float, typer.Option(help="At its peak.")]
MixedPrecision = Annotated[
    bool | None, typer.Option(help="Compute in BF16; where the device is faster at it.")
]
DeviceName = Annotated[str, typer.Option("--device", help="cpu, cuda or auto.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")]


@contextmanager
def progress() -> Iterator[Stages]:
    """Show progress; say what Ctrl-C leaves behind."""
    try:
        with Stages() as stages:
            yield stages
    except KeyboardInterrupt:
        say("Interrupted. The same command with --resume goes on.")
        raise typer.Exit(INTERRUPTED) from None


def recipe_of(*, minutes: float | None, steps: int, **numbers: Any) -> "TrainingRecipe":
    """Make a recipe; minutes come before steps."""
    from modelkit.training.recipe import TrainingRecipe  # noqa: PLC0415

    return TrainingRecipe(minutes=minutes, steps=steps if minutes is None else None, **numbers)


def device_of(name: str, *, mixed: bool | None) -> "Device":
    """Choose where to compute, and how."""
    from modelkit.training.device import choose_device  # noqa: PLC0415 - loads torch

    return choose_device(name, mixed=mixed)
