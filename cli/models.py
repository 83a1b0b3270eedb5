"""`packshot model`: the bundles that this machine has."""

import os
import re
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bundles.manifest import FILE_NAME, load_manifest
from cli.console import fail, say, show, stderr, stdout
from cli.errors import UsageError
from core.errors import BundleError
from core.settings import get_settings

app = typer.Typer(no_args_is_help=True, help="Model bundles.")


@app.command()
def build(
    source: Annotated[
        str, typer.Argument(help="A folder in diffusers' layout, or the id of one on the Hub.")
    ],
    name: Annotated[str, typer.Option(help="What to call the bundle.")],
) -> None:
    """Make a bundle that API and workers can use, in PACKSHOT_HOME/bundles."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise UsageError(f"The name {name!r} cannot be used: lower case, digits, '.', '_', '-'.")
    folder = _bundles() / name
    with stderr.status(f"Building {folder}; a small model takes half a minute"):
        _quieten()
        from bundles.export import build as build_bundle  # noqa: PLC0415 - loads torch

        build_bundle(source, folder, name=name)
    say(f"To use it, set PACKSHOT_BUNDLE={folder}")
    stdout.print(str(folder))


@app.command("list")
def list_bundles() -> None:
    """List the bundles in PACKSHOT_HOME/bundles."""
    table = Table("name", "revision", "precision", "size", "licence", "folder", box=None)
    for file in sorted(_bundles().glob(f"*/{FILE_NAME}")):
        try:
            manifest = load_manifest(file.parent)
        except BundleError as error:
            fail(error)
            continue
        table.add_row(
            manifest.name,
            manifest.revision[:12],
            manifest.precision,
            f"{manifest.defaults.width}×{manifest.defaults.height}",
            manifest.licence,
            str(file.parent),
        )
    if table.row_count:
        show(table)
    else:
        say(f"No bundles in {_bundles()}. The starter is built by `packshot up`.")


def _bundles() -> Path:
    return get_settings().home.expanduser().resolve() / "bundles"


def _quieten() -> None:
    """Keep the libraries' remarks about each other from the user, who can do nothing about them."""
    warnings.simplefilter("ignore")
    for library in ("TRANSFORMERS", "DIFFUSERS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")
