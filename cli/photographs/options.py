"""Options of `packshot submit` that say what becomes of photographs."""

from pathlib import Path
from typing import Annotated

import typer

Mode = Annotated[
    str | None,
    typer.Option(
        help="text: images are generated from prompts (default). cutout: each product is cut out "
        "of its photograph, which a row names or --photos brings."
    ),
]
Background = Annotated[
    str | None,
    typer.Option(
        help="What cut-outs stand on: white (default), transparent, or a colour: #f4f1ea."
    ),
]
Shadow = Annotated[
    str | None,
    typer.Option(help="Shadow of cut-outs: none (default), contact, or own, the photograph's."),
]
Anchor = Annotated[
    str | None,
    typer.Option(help="Where cut-outs stand: centre (default) of the image, or ground."),
]
Fill = Annotated[
    float | None, typer.Option(help="Share of the image that a cut-out takes. Default: 0.85.")
]
Margin = Annotated[
    float | None,
    typer.Option(
        help="Share of the image that stays free on each side of a cut-out. Default: 0.03."
    ),
]
GroundLine = Annotated[
    float | None,
    typer.Option(help="How far down cut-outs stand with --anchor ground. Default: 0.92."),
]
Enlarge = Annotated[
    bool | None,
    typer.Option("--enlarge", help="Enlarge products whose photographs are small, at a loss."),
]
Photos = Annotated[
    Path | None,
    typer.Option(
        help="Folder or ZIP file of photographs. Each is matched with a row, by the file name in "
        "its column `image` or by SKU, and stored on the server. --mode cutout uses them."
    ),
]

FIELDS = (
    "mode", "background", "shadow", "anchor", "fill", "margin", "ground_line", "enlarge",
)  # fmt: skip
"""Options that are fields of the request, under the same names."""
