"""`packshot model finetune`: a model learns what is in a folder of captioned images."""

from pathlib import Path
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

SKIPPED = 20
"""Most images that are named when they could not be used; the rest are counted."""


def finetune(
    source: Source,
    data: Annotated[
        Path,
        typer.Option(
            help="Folder of images, with their captions in metadata.jsonl (file_name, text) or in "
            "a .txt file beside each."
        ),
    ],
    out: Out,
    minutes: Minutes = None,
    steps: Steps = 1000,
    resolution: Annotated[
        int | None, typer.Option(help="Pixels of each side; the model's usual size without it.")
    ] = None,
    batch: Batch = 4,
    accumulate: Accumulate = 1,
    learning_rate: LearningRate = 1e-5,
    min_snr: Annotated[
        float | None, typer.Option(help="Weigh nearly clean images down; 5 is usual.")
    ] = None,
    flip: Annotated[
        bool,
        typer.Option("--flip", help="Learn from mirror images too: not where there is lettering."),
    ] = False,
    gradient_checkpointing: Checkpointing = False,
    mixed_precision: MixedPrecision = None,
    device: DeviceName = "auto",
    seed: Seed = 0,
    resume: Resume = False,
) -> None:
    """Adapt a model to a folder of captioned images.

    Trains the UNet. The result is a folder in diffusers' layout, for `packshot model build`.
    """
    quieten()
    from modelkit.training.finetune import FineTuning  # noqa: PLC0415 - loads torch
    from modelkit.training.finetune import finetune as train  # noqa: PLC0415

    with progress() as stages:
        skipped = train(
            source,
            data,
            out,
            options=FineTuning(resolution=resolution, flip=flip, min_snr=min_snr),
            recipe=recipe_of(
                minutes=minutes,
                steps=steps,
                batch=batch,
                accumulate=accumulate,
                learning_rate=learning_rate,
                weight_decay=1e-2,
                average_decay=0.999,
                gradient_checkpointing=gradient_checkpointing,
                seed=seed,
            ),
            device=device_of(device, mixed=mixed_precision),
            resume=resume,
            say=stages,
        )
    for sentence in skipped[:SKIPPED]:
        say(f"Left out: {sentence}.")
    if len(skipped) > SKIPPED:
        say(f"Left out: {len(skipped) - SKIPPED} more.")
    say(f"To use it: packshot model build {out} --name NAME")
    stdout.print(str(out))
