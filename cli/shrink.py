"""`packshot model shrink`: a smaller UNet learns from the whole one."""

from typing import Annotated

import typer

from cli.console import say, stdout
from cli.quiet import quieten
from cli.training import (
    Accumulate,
    Batch,
    Checkpointing,
    DeviceName,
    LearningRate,
    Minutes,
    MixedPrecision,
    Out,
    Resume,
    Seed,
    Source,
    Steps,
    device_of,
    progress,
    recipe_of,
)


def shrink(
    source: Source,
    out: Out,
    remove: Annotated[
        str,
        typer.Option(
            help="What to take out of the UNet, separated by commas: mid, layers, attention-0 (the "
            "finest resolution), attention-1, …"
        ),
    ],
    minutes: Minutes = None,
    steps: Steps = 4096,
    batch: Batch = 16,
    accumulate: Accumulate = 1,
    learning_rate: LearningRate = 5e-5,
    gradient_checkpointing: Checkpointing = False,
    mixed_precision: MixedPrecision = None,
    device: DeviceName = "auto",
    seed: Seed = 0,
    resume: Resume = False,
) -> None:
    """Take blocks out of a model's UNet, and let it learn from the whole model to do without.

    Needs no data. The result is a folder in diffusers' layout, for `packshot model build`.
    """
    quieten()
    from modelkit.training.shrink import shrink as train  # noqa: PLC0415 - loads torch

    with progress() as stages:
        before, after = train(
            source,
            out,
            remove=[part.strip() for part in remove.split(",") if part.strip()],
            recipe=recipe_of(
                minutes=minutes,
                steps=steps,
                batch=batch,
                accumulate=accumulate,
                learning_rate=learning_rate,
                average_decay=0.995,
                gradient_checkpointing=gradient_checkpointing,
                seed=seed,
            ),
            device=device_of(device, mixed=mixed_precision),
            resume=resume,
            say=stages,
        )
    say(f"Parameters of the UNet: {before:,} before, {after:,} now")
    say(f"To use it: packshot model build {out} --name NAME")
    stdout.print(str(out))
