"""Arguments and options that several commands share."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.errors import UsageError

Out = Annotated[
    Path, typer.Option(help="Folder for the images, results.csv and the contact sheet.")
]
Port = Annotated[
    int | None,
    typer.Option(help="Port of the API. Default: 8000, or a free one if that is in use."),
]
FlowerPort = Annotated[
    int | None,
    typer.Option(help="Port of Flower. Default: 5555, or a free one if that is in use."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of worker processes; each loads the models itself. Default: one per NUMA "
        "node, which is one on most machines.",
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME=FOLDER",
        help="A model's name and the folder of its bundle. Repeat for several models; the first "
        "is used where none is named. Default: PACKSHOT_MODELS, else PACKSHOT_BUNDLE, else the "
        "starter model.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        envvar="PACKSHOT_URL",
        help="Address of the server. Default: the one that `packshot up` runs on this machine.",
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="PACKSHOT_KEY",
        help="API key (psk_…). Not needed for the server on this machine.",
    ),
]

DEFAULT_OUT = Path("packshot-out")


def read_pairs(pairs: Iterable[str], *, option: str) -> dict[str, str]:
    """Read `NAME=VALUE`, each name once.

    Raises:
        UsageError: One is not written so, or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        name = name.strip()
        if not separator or not name:
            raise UsageError(f"{option} {pair!r} is not NAME=VALUE.")
        if name in found:
            raise UsageError(f"{option} names {name!r} twice.")
        found[name] = value
    return found


def read_values(pairs: Iterable[str], *, option: str) -> Mapping[str, Any]:
    """Read `NAME=VALUE` whose values are JSON, or texts where they are none.

    Raises:
        UsageError: as `read_pairs`.
    """
    return {name: _value(text) for name, text in read_pairs(pairs, option=option).items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
