"""`packshot model finetune`, `quantise-train`, `shrink` and `bake-guidance`: models learn."""

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.model.options import (
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
    Tome,
    TomeCrossAttention,
    TomeMlp,
    TomeMode,
    device_of,
    progress,
    recipe_of,
    token_merging_plan,
)
from cli.console import quieten, say, stdout

SKIPPED = 20
"""Most images that are named when they could not be used; the rest are counted."""

Data = Annotated[
    Path,
    typer.Option(
        help="Folder of images, with captions in metadata.jsonl (file_name, text) or in a .txt "
        "file beside each image."
    ),
]
Resolution = Annotated[
    int | None,
    typer.Option(help="Width and height of training images, in pixels. Default: the model's."),
]
MinSnr = Annotated[
    float | None, typer.Option(help="Gamma of min-SNR weighting; 5 is usual. Default: off.")
]
Flip = Annotated[
    bool,
    typer.Option(
        "--flip", help="Also train on mirrored images; leave it out where they show lettering."
    ),
]


def finetune(
    source: Source,
    data: Data,
    out: Out,
    minutes: Minutes = None,
    steps: Steps = 1000,
    resolution: Resolution = None,
    batch: Batch = 4,
    accumulate: Accumulate = 1,
    learning_rate: LearningRate = 1e-5,
    min_snr: MinSnr = None,
    flip: Flip = False,
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
        say(f"Skipped: {sentence}.")
    if len(skipped) > SKIPPED:
        say(f"Skipped: {len(skipped) - SKIPPED} more.")
    say(f"To use it: packshot model build {out} --name NAME")
    stdout.print(str(out))


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


def bake_guidance(
    source: Source,
    out: Out,
    guidance_scale: Annotated[
        float | None, typer.Option(help="What to bake in. Default: the model's own.")
    ] = None,
    minutes: Minutes = None,
    steps: Steps = 2048,
    batch: Batch = 8,
    accumulate: Accumulate = 1,
    learning_rate: LearningRate = 5e-5,
    gradient_checkpointing: Checkpointing = False,
    mixed_precision: MixedPrecision = None,
    device: DeviceName = "auto",
    seed: Seed = 0,
    resume: Resume = False,
) -> None:
    """Teach a model's UNet to draw without guidance what it draws with it, for half of the work.

    Needs no data: it learns while the whole model draws. Its images know no negative prompt. The
    result is a folder in diffusers' layout, for `packshot model build`.
    """
    quieten()
    from modelkit.training.bake import bake_guidance as train  # noqa: PLC0415 - loads torch

    with progress() as stages:
        scale = train(
            source,
            out,
            guidance_scale=guidance_scale,
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
    say(f"A guidance scale of {scale:g} is baked in: its images need none.")
    say(f"To use it: packshot model build {out} --name NAME")
    stdout.print(str(out))
