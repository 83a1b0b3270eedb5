"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[
    Path, typer.Option(help="Folder for the images, results.csv and the contact sheet.")
]
Port = Annotated[
    int | None,
    typer.Option(help="Port of the API; without it 8000, or a free one if that is in use."),
]
FlowerPort = Annotated[
    int | None,
    typer.Option(help="Port of Flower; without it 5555, or a free one if that is in use."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Worker processes, each with the model; without it one on each NUMA node: mostly one.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        envvar="PACKSHOT_URL", help="The server; without it the one that `packshot up` runs here."
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="PACKSHOT_KEY", help="API key (psk_…); not needed for the one that runs here."
    ),
]

DEFAULT_OUT = Path("packshot-out")
