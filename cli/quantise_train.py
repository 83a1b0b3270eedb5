"""`packshot model quantise-train`: a UNet learns to be INT8."""

from typing import Annotated, Literal

import typer

from cli.build import token_merging_plan
from cli.console import say, stdout
from cli.quiet import quieten
from cli.training import (
    Accumulate,
    Batch,
    Checkpointing,
    DeviceName,
    Minutes,
    Out,
    Resume,
    Seed,
    Source,
    device_of,
    progress,
    recipe_of,
)


def quantise_train(
    source: Source,
    out: Out,
    minutes: Minutes = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 4096,
    tome: Annotated[
        str | None,
        typer.Option(help="Share of tokens to merge at the finest resolution, or at two: 0.5,0.3."),
    ] = None,
    tome_mode: Annotated[
        Literal["mean", "drop"],
        typer.Option(help="Merged tokens are averaged, or dropped for the one that stays."),
    ] = "mean",
    tome_cross_attention: Annotated[
        bool, typer.Option("--tome-cross-attention", help="Merge before cross-attention too.")
    ] = False,
    tome_mlp: Annotated[
        bool, typer.Option("--tome-mlp", help="Merge before the feed-forward layers too.")
    ] = False,
    batch: Batch = 8,
    accumulate: Accumulate = 1,
    learning_rate: Annotated[float, typer.Option(help="At its peak.")] = 1e-5,
    gradient_checkpointing: Checkpointing = False,
    mixed_precision: Annotated[
        bool,
        typer.Option(
            help="Compute in BF16; it rounds what is quantised about as coarsely as INT8 does."
        ),
    ] = False,
    device: DeviceName = "auto",
    seed: Seed = 0,
    resume: Resume = False,
) -> None:
    """Train a model's UNet to be INT8, and to merge tokens, with the whole model as its teacher.

    Needs no data: it learns while the teacher draws. The result is a UNet for
    `packshot model build SOURCE --precision int8-qat --unet OUT`.
    """
    quieten()
    plan = token_merging_plan(
        tome, mode=tome_mode, cross_attention=tome_cross_attention, mlp=tome_mlp
    )
    from bundles.training.quantise import train_quantised  # noqa: PLC0415 - loads torch

    with progress() as stages:
        record = train_quantised(
            source,
            out,
            plan=plan,
            recipe=recipe_of(
                minutes=minutes,
                steps=steps,
                batch=batch,
                accumulate=accumulate,
                learning_rate=learning_rate,
                average_decay=0.99,
                gradient_checkpointing=gradient_checkpointing,
                seed=seed,
            ),
            device=device_of(device, mixed=mixed_precision),
            resume=resume,
            say=stages,
        )
    say(f"{record.steps} steps; error {record.loss:.2e}")
    say(f"To use it: packshot model build {source} --name NAME --precision int8-qat --unet {out}")
    stdout.print(str(out))
