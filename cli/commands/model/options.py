"""Options of the commands that make UNets, and what training has in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bundles.manifest import TokenMergingPlan
from cli.console import say
from cli.errors import UsageError
from cli.progress import ShownStages

if TYPE_CHECKING:
    from modelkit.training.device import Device
    from modelkit.training.recipe import TrainingRecipe

INTERRUPTED = 130
"""What a shell says of a command that Ctrl-C ended."""

Source = Annotated[
    str,
    typer.Argument(
        help="Model to start from: a folder in diffusers' layout, or an id on the Hugging Face Hub."
    ),
]
Out = Annotated[Path, typer.Option(help="Folder for the result; must not exist.")]
Minutes = Annotated[
    float | None, typer.Option(help="Train for this many minutes, instead of --steps.")
]
Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps.")]
Batch = Annotated[int, typer.Option(min=1, help="Images in one forward pass.")]
Accumulate = Annotated[
    int,
    typer.Option(min=1, help="Forward passes per optimiser step; raise it where memory is short."),
]
Checkpointing = Annotated[
    bool,
    typer.Option(
        "--gradient-checkpointing",
        help="Use a fraction of the memory, for a third more time.",
    ),
]
LearningRate = Annotated[float, typer.Option(help="Learning rate at its peak.")]
MixedPrecision = Annotated[
    bool | None, typer.Option(help="Compute in BF16. Default: where the device is faster at it.")
]
DeviceName = Annotated[str, typer.Option("--device", help="Device to train on: cpu, cuda or auto.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted training.")]


@contextmanager
def progress(
    left: str = "To continue, run the same command with --resume.",
) -> Iterator[ShownStages]:
    """Show progress; say what Ctrl-C leaves behind."""
    try:
        with ShownStages() as stages:
            yield stages
    except KeyboardInterrupt:
        say(f"Interrupted. {left}")
        raise typer.Exit(INTERRUPTED) from None


def recipe_of(*, minutes: float | None, steps: int, **numbers: Any) -> "TrainingRecipe":
    """Make a recipe; minutes come before steps."""
    from modelkit.training.recipe import TrainingRecipe  # noqa: PLC0415

    return TrainingRecipe(minutes=minutes, steps=steps if minutes is None else None, **numbers)


def device_of(name: str, *, mixed: bool | None) -> "Device":
    """Choose where to compute, and how."""
    from modelkit.training.device import choose_device  # noqa: PLC0415 - loads torch

    return choose_device(name, mixed=mixed)


Tome = Annotated[
    str | None,
    typer.Option(
        help="Share of tokens to merge: at the finest resolution, such as 0.5, or at two: 0.5,0.3."
    ),
]
TomeMode = Annotated[
    Literal["mean", "drop", "downsample"],
    typer.Option(
        help="Average merged tokens, drop all but one, or (with a share of 0.75) let each token "
        "look at every second row and column alone."
    ),
]
TomeCrossAttention = Annotated[
    bool, typer.Option("--tome-cross-attention", help="Merge before cross-attention too.")
]
TomeMlp = Annotated[
    bool, typer.Option("--tome-mlp", help="Merge before the feed-forward layers too.")
]


def token_merging_plan(
    ratios: str | None,
    *,
    mode: Literal["mean", "drop", "downsample"],
    cross_attention: bool,
    mlp: bool,
) -> TokenMergingPlan | None:
    """Read the options of token merging.

    Raises:
        UsageError: They make no plan.
    """
    if ratios is None:
        if cross_attention or mlp:
            raise UsageError("Token merging needs a share: give --tome too, such as --tome 0.5.")
        return None
    try:
        shares = tuple(float(part) for part in ratios.split(","))
    except ValueError:
        shares = ()
    if not 1 <= len(shares) <= 2:
        raise UsageError(f"--tome takes one or two shares, such as 0.5 or 0.5,0.3, not {ratios!r}.")
    return TokenMergingPlan(ratios=shares, mode=mode, cross_attention=cross_attention, mlp=mlp)
