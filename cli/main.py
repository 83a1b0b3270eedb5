"""The `packshot` command."""

import sys

import typer
from pydantic import ValidationError

from cli.commands import cache, cutout, glossary, keys, publish, recipes, tenants, webhooks
from cli.commands.backup import backup, restore
from cli.commands.detect import detect
from cli.commands.doctor import doctor
from cli.commands.fetch import fetch, retry
from cli.commands.map import map_columns
from cli.commands.mcp import mcp
from cli.commands.model.build import build
from cli.commands.model.check import check
from cli.commands.model.evaluate import evaluate
from cli.commands.model.listing import list_bundles
from cli.commands.model.presets import presets
from cli.commands.model.requeue import requeue
from cli.commands.model.tiny_decoder import tiny_decoder
from cli.commands.model.train import bake_guidance, finetune, quantise_train, shrink
from cli.commands.results import results
from cli.commands.review import review
from cli.commands.stack import demo, migrate, up
from cli.commands.submit import submit
from cli.commands.tune import tune
from cli.console import fail
from core.errors import PackshotError
from core.settings import describe_invalid_settings

app = typer.Typer(
    name="packshot",
    help="Turn product sheets into product images, on ordinary CPUs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    demo, up, submit, fetch, results, retry, review, detect, mcp, tune, doctor, migrate, backup,
    restore,
):  # fmt: skip
    app.command()(command)
app.command("map")(map_columns)
model = typer.Typer(
    no_args_is_help=True, help="Models: build, check, train, evaluate and list them."
)
for of_models in (
    build, check, finetune, quantise_train, shrink, bake_guidance, tiny_decoder, evaluate, presets,
    requeue,
):  # fmt: skip
    model.command()(of_models)
model.command("list")(list_bundles)
app.add_typer(cache.app, name="cache")
app.add_typer(cutout.app, name="cutout")
app.add_typer(glossary.app, name="glossary")
app.add_typer(keys.app, name="keys")
app.add_typer(model, name="model")
app.add_typer(publish.app, name="publish")
app.add_typer(recipes.app, name="recipes")
app.add_typer(tenants.app, name="tenants")
app.add_typer(webhooks.app, name="webhooks")


def main() -> None:
    """Run the command; exit code 0, 1 (it did not work), 2 (wrong usage) or 3 (images failed)."""
    try:
        app(prog_name="packshot")
    except PackshotError as error:
        fail(error)
        sys.exit(getattr(error, "exit_code", 1))
    except ValidationError as error:
        for sentence in describe_invalid_settings(error):
            fail(sentence)
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or error}.")
        sys.exit(1)
