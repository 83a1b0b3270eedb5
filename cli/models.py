"""`packshot model`: the bundles that this machine has."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bundles.manifest import FILE_NAME, load_manifest
from cli.console import fail, say, stdout
from core.errors import BundleError
from core.settings import get_settings

app = typer.Typer(no_args_is_help=True, help="Model bundles.")


@app.command()
def build(
    source: Annotated[str, typer.Argument(help="A diffusers folder, or the id of one on the Hub.")],
    name: Annotated[str, typer.Option(help="What to call the bundle.")],
) -> None:
    """Make a bundle that API and workers can use, in PACKSHOT_HOME/bundles."""
    from bundles.export import build as build_bundle  # noqa: PLC0415 - loads torch

    folder = _home() / name
    build_bundle(source, folder)
    say(f"Use it with PACKSHOT_BUNDLE={folder}")
    stdout.print(str(folder))


@app.command("list")
def list_bundles() -> None:
    """List the bundles in PACKSHOT_HOME/bundles."""
    table = Table("name", "revision", "precision", "size", "licence", "folder", box=None)
    for file in sorted(_home().glob(f"*/{FILE_NAME}")):
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
        stdout.print(table)
    else:
        say(f"No bundles in {_home()}. The starter is built by `packshot up`.")


def _home() -> Path:
    return get_settings().home.expanduser().resolve() / "bundles"
