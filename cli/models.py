"""`packshot model`: the bundles that this machine has."""

import typer

from cli.build import build
from cli.bundle_table import list_bundles
from cli.evaluate import evaluate

app = typer.Typer(no_args_is_help=True, help="Model bundles.")
app.command()(build)
app.command()(evaluate)
app.command("list")(list_bundles)
