"""`packshot model`: the bundles that this machine has."""

import re
from pathlib import Path
from typing import Annotated

import typer

from cli.bundle_table import list_bundles
from cli.console import say, stderr, stdout
from cli.errors import UsageError
from cli.evaluate import evaluate
from cli.quiet import quieten
from core.settings import get_settings

app = typer.Typer(no_args_is_help=True, help="Model bundles.")
app.command()(evaluate)
app.command("list")(list_bundles)


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
        quieten()
        from bundles.export import build as build_bundle  # noqa: PLC0415 - loads torch

        build_bundle(source, folder, name=name)
    say(f"To use it, set PACKSHOT_BUNDLE={folder}")
    stdout.print(str(folder))


def _bundles() -> Path:
    return get_settings().home.expanduser().resolve() / "bundles"
