"""`packshot model`: the bundles that this machine has."""

import typer

from cli.build import build
from cli.bundle_table import list_bundles
from cli.evaluate import evaluate
from cli.finetune import finetune
from cli.quantise_train import quantise_train
from cli.requeue import requeue
from cli.shrink import shrink

app = typer.Typer(no_args_is_help=True, help="Model bundles.")
app.command()(build)
app.command()(finetune)
app.command()(quantise_train)
app.command()(shrink)
app.command()(evaluate)
app.command()(requeue)
app.command("list")(list_bundles)
