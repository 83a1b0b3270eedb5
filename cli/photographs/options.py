"""Options of `packshot submit` that say what becomes of photographs."""

from pathlib import Path
from typing import Annotated

import typer

Mode = Annotated[
    str | None,
    typer.Option(
        help="text: images are generated from prompts (default). cutout: each product is cut out "
        "of its photograph, which a row names or --photos brings. scene: the same, in a background "
        "that is generated from --prompt. edit: each photograph is drawn anew by --prompt."
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
    typer.Option(
        help="Shadow of products: none (default), contact (default of scenes), or own, the "
        "photograph's."
    ),
]
Anchor = Annotated[
    str | None,
    typer.Option(
        help="Where products stand: centre (default) of the image, or ground (default of scenes)."
    ),
]
Fill = Annotated[
    float | None,
    typer.Option(help="Share of the image that a product takes. Default: 0.85, in scenes 0.62."),
]
Margin = Annotated[
    float | None,
    typer.Option(
        help="Share of the image that stays free on each side of a cut-out. Default: 0.03."
    ),
]
GroundLine = Annotated[
    float | None,
    typer.Option(
        help="How far down products stand with --anchor ground. Default: 0.92, in scenes 0.86."
    ),
]
Enlarge = Annotated[
    bool | None,
    typer.Option("--enlarge", help="Enlarge products whose photographs are small, at a loss."),
]
Photos = Annotated[
    Path | None,
    typer.Option(
        help="Folder or ZIP file of photographs. Each is matched with a row, by the file name in "
        "its column `image` or by SKU, and stored on the server. --mode cutout, scene and edit use "
        "them."
    ),
]
Strength = Annotated[
    float | None,
    typer.Option(
        help="How far --mode edit draws photographs anew, up to 1. Default: 0.6. Masks stand in "
        "the sheet's column `mask`. With --blend the same of the background; default: 0.8."
    ),
]
Blend = Annotated[
    bool | None,
    typer.Option(
        "--blend", help="Have scenes drawn once more around the product, with light and shadow."
    ),
]
CheckPhotographs = Annotated[
    bool,
    typer.Option(
        "--check-photographs",
        help="With --dry-run: have the server fetch up to 1,000 addresses of photographs, for half "
        "a minute at most, and say which give none, how large the others are and which channels "
        "they are too small for; of --photos, look into the files.",
    ),
]

FIELDS = (
    "mode", "background", "shadow", "anchor", "fill", "margin", "ground_line", "enlarge",
    "strength", "blend",
)  # fmt: skip
"""Options that are fields of the request, under the same names."""
