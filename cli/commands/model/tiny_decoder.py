"""`packshot model tiny-decoder`: a small decoder learns from a bundle's own."""

import re
from typing import Annotated

import typer

from bundles.manifest_file import load_manifest
from cli.bundles import bundles_folder, find_bundle
from cli.commands.model.options import (
    Accumulate,
    Batch,
    DeviceName,
    LearningRate,
    Minutes,
    MixedPrecision,
    Seed,
    Steps,
    device_of,
    progress,
    recipe_of,
)
from cli.console import quieten, say, stdout
from cli.errors import UsageError
from core.settings import get_settings

Bundle = Annotated[str, typer.Argument(help="Name of a model, or name or folder of a bundle.")]
Name = Annotated[
    str | None, typer.Option(help="Name of the new bundle. Default: the bundle's with -tiny.")
]
Pictures = Annotated[int, typer.Option(min=2, help="Pictures that the bundle draws to learn from.")]
Width = Annotated[
    int,
    typer.Option(min=8, max=128, help="Channels of the decoder: 64 are 1.2 million parameters."),
]


def tiny_decoder(
    bundle: Bundle,
    name: Name = None,
    pictures: Pictures = 64,
    width: Width = 64,
    minutes: Minutes = None,
    steps: Steps = 4096,
    batch: Batch = 4,
    accumulate: Accumulate = 1,
    learning_rate: LearningRate = 1e-3,
    mixed_precision: MixedPrecision = None,
    device: DeviceName = "auto",
    seed: Seed = 0,
) -> None:
    """Make a bundle like another one, with a small decoder that learns from its own.

    Needs no data: the bundle draws what is learned from. After Ctrl-C the same command continues
    where it was.
    """
    settings = get_settings()
    folder = find_bundle(bundle, settings)
    name = name or f"{load_manifest(folder).name}-tiny"
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise UsageError(
            f"The name {name!r} cannot be used: take lower-case letters, digits, '.', '_' and '-', "
            "and begin with a letter or digit."
        )
    quieten()
    from modelkit.training.tiny_decoder import distil_decoder  # noqa: PLC0415 - loads torch

    target = bundles_folder(settings) / name
    with progress("Run the same command again to continue.") as stages:
        made = distil_decoder(
            folder,
            target,
            recipe=recipe_of(
                minutes=minutes,
                steps=steps,
                batch=batch,
                accumulate=accumulate,
                learning_rate=learning_rate,
                average_decay=0.995,
                seed=seed,
            ),
            device=device_of(device, mixed=mixed_precision),
            width=width,
            pictures=pictures,
            say=stages,
        )
    mean = sum(made.decibels) / len(made.decibels)
    say(
        f"{made.parameters:,} parameters; beside the bundle's own decoder {mean:.1f} dB, at worst "
        f"{min(made.decibels):.1f} dB, on {len(made.decibels)} pictures that it has not seen"
    )
    say(f"To use it, set PACKSHOT_BUNDLE={target}")
    stdout.print(str(target))
