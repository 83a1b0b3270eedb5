"""`packshot model quantise-train`: a UNet learns to be INT8."""

from typing import Annotated

import typer

from cli.console import say, stdout
from cli.merging import Tome, TomeCrossAttention, TomeMlp, TomeMode, token_merging_plan
from cli.quiet import quieten
from cli.training import (
    Accumulate,
    Batch,
    Checkpointing,
    DeviceName,
    LearningRate,
    Minutes,
    Out,
    Resume,
    Seed,
    Source,
    Steps,
    device_of,
    progress,
    recipe_of,
)


def quantise_train(
    source: Source,
    out: Out,
    minutes: Minutes = None,
    steps: Steps = 4096,
    tome: Tome = None,
    tome_mode: TomeMode = "mean",
    tome_cross_attention: TomeCrossAttention = False,
    tome_mlp: TomeMlp = False,
    batch: Batch = 8,
    accumulate: Accumulate = 1,
    learning_rate: LearningRate = 1e-5,
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
    from modelkit.training.quantise import train_quantised  # noqa: PLC0415 - loads torch

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
