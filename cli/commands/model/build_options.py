"""Options of `packshot model build` that say what is built, and its defaults."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from core.domain.schedulers import SCHEDULERS

Source = Annotated[
    str,
    typer.Argument(
        help="Model to convert, of Stable Diffusion 1.x, 2.x or XL: a safetensors file, a folder "
        "in diffusers' layout or in OpenVINO's on the Hugging Face Hub, or an id there."
    ),
]


Name = Annotated[str, typer.Option(help="Name of the bundle.")]


Precision = Annotated[
    Literal["fp32", "fp16", "bf16", "int8", "int8-qat"] | None,
    typer.Option(
        help="fp16 halves the weights (the default, unless the model's packshot.json says "
        "otherwise); bf16 also computes in BF16; int8 is calibrated on the model's own images; "
        "int8-qat takes a trained UNet.",
    ),
]


Height = Annotated[
    int | None, typer.Option(help="Default height of images, in pixels; needs --width too.")
]


Width = Annotated[
    int | None, typer.Option(help="Default width of images, in pixels; needs --height too.")
]


DefaultSteps = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Default number of steps. Without it: as the model's files say.",
    ),
]


Guidance = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Default guidance scale; 1 turns guidance off. Without it: as the model's files say.",
    ),
]


GuidanceRescale = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="How far what guidance adds to a prediction's spread is taken back; 0.7 is usual for "
        "models with rescale_betas_zero_snr. Without it: 0, or as packshot.json says.",
    ),
]


Scheduler = Annotated[
    str | None,
    typer.Option(
        help=f"Default scheduler: {', '.join(SCHEDULERS)}. Without it: as the model's files say."
    ),
]


Unet = Annotated[
    Path | None,
    typer.Option(help="For int8-qat: the folder that `packshot model quantise-train` wrote."),
]


LongPrompts = Annotated[
    int,
    typer.Option(
        min=1,
        max=8,
        help="Read prompts as up to so many texts of the encoder's length (75 tokens) one after "
        "another, instead of cutting what is behind the first.",
    ),
]


PromptWeights = Annotated[
    bool,
    typer.Option(
        "--prompt-weights",
        help="Let (word:1.2), ((word)) and [word] in prompts weigh words; \\( is a bracket then.",
    ),
]
