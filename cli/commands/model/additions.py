"""Options of `packshot model build` that change its source."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from cli.errors import UsageError
from modelkit.export.additions import (
    Additions,
    Embedding,
    Lora,
    PredictionType,
    TimestepSpacing,
)

VaePrecision = Literal["float", "int8"]

PRECISIONS = ("float", "int8")
PREDICTIONS = ("epsilon", "v_prediction")

Vae = Annotated[
    list[str] | None,
    typer.Option(
        metavar="float|int8|FILE",
        help="Precision of the VAE decoder (int8 is calibrated on the model's images), or another "
        "autoencoder: a safetensors file or a folder. Give it twice for both.",
    ),
]
Embeddings = Annotated[
    list[str] | None,
    typer.Option(
        "--embedding",
        metavar="FILE[:WORD]",
        help="Textual inversion (safetensors), and the word that means it in prompts. Can be given "
        "several times.",
    ),
]
Loras = Annotated[
    list[str] | None,
    typer.Option(
        "--lora",
        metavar="FILE[:WEIGHT]",
        help="LoRA (safetensors, of diffusers or kohya) to add to the weights, and how much of it, "
        "such as 0.8. Can be given several times.",
    ),
]
ClipSkip = Annotated[
    int,
    typer.Option(
        min=0,
        help="Layers of the text encoder to leave out at its end, as diffusers counts: 1 is what "
        "other programs call clip skip 2.",
    ),
]
Spacing = Annotated[
    TimestepSpacing | None,
    typer.Option(
        "--timestep-spacing",
        help="Which timesteps a schedule takes; trailing for models that were distilled for a few "
        "steps (Hyper-SD, Lightning, Turbo). Without it: as the model's files say.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="For a single file: folder in diffusers' layout whose configuration it has, in place "
        "of its family's."
    ),
]
Prediction = Annotated[
    str | None,
    typer.Option(
        "--prediction-type",
        metavar="epsilon|v_prediction",
        help="For a single file: what its UNet predicts. Without it: as its keys say, or measured.",
    ),
]


def read_additions(
    *,
    vae: Sequence[str],
    embeddings: Sequence[str],
    loras: Sequence[str],
    clip_skip: int,
    config: Path | None,
    prediction: str | None,
    spacing: TimestepSpacing | None = None,
) -> Additions:
    """Read the options.

    Raises:
        UsageError: They contradict each other.
    """
    files = [Path(value) for value in vae if value not in PRECISIONS]
    if len(files) > 1:
        raise UsageError("--vae can name one autoencoder: leave the others out.")
    if prediction not in (None, *PREDICTIONS):
        raise UsageError(f"--prediction-type is {' or '.join(PREDICTIONS)}, not {prediction!r}.")
    return Additions(
        config=config,
        prediction_type=cast("PredictionType | None", prediction),
        vae=files[0] if files else None,
        embeddings=tuple(map(_embedding, embeddings)),
        loras=tuple(map(_lora, loras)),
        clip_skip=clip_skip,
        timestep_spacing=spacing,
    )


def vae_precision(values: Sequence[str]) -> VaePrecision:
    """Return the precision among what --vae was given.

    Raises:
        UsageError: There are two.
    """
    found = {value for value in values if value in PRECISIONS}
    if len(found) > 1:
        raise UsageError("--vae cannot be float and int8: give one of them.")
    return "int8" if "int8" in found else "float"


def _embedding(text: str) -> Embedding:
    file, token = split_option(text)
    return Embedding(file=file, token=token)


def _lora(text: str) -> Lora:
    file, weight = split_option(text)
    try:
        return Lora(file=file, weight=1.0 if weight is None else float(weight))
    except ValueError as error:
        raise UsageError(
            f"The weight of a LoRA is a number, such as --lora {file}:0.8, not {weight!r}."
        ) from error


def split_option(text: str) -> tuple[Path, str | None]:
    """Split what is written as FILE:MORE; a file whose name has a colon is one without more."""
    file, colon, more = text.rpartition(":")
    if not colon or not file or Path(text).exists():
        return Path(text), None
    return Path(file), more
