"""`packshot recipes`: presets with a name and versions, on any server."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.connection import connect
from cli.console import say, show, stdout
from cli.errors import UsageError
from cli.options import Key, Url, read_values

app = typer.Typer(no_args_is_help=True, help="Recipes: presets for sheets.")

Name = Annotated[str, typer.Argument(help="The recipe's name.")]


@app.command()
def add(
    name: Name,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A field of the request, such as steps=30 or 'template=a {{ title }}'. Repeat "
            "for several.",
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A JSON file of fields; --set overrides it.")
    ] = None,
    note: Annotated[str, typer.Option(help="A note on what changed in this version.")] = "",
    url: Url = None,
    key: Key = None,
) -> None:
    """Store a recipe, or a new version of one, and print its `name@version`."""
    fields = {**_read(file), **read_values(field or (), option="--set")}
    if not fields:
        raise UsageError("Give the recipe's fields: --set steps=30, or --file recipe.json.")
    with connect(url, key) as client:
        recipe = client.add_recipe({"name": name, "note": note, "fields": fields})
    stdout.print(recipe["reference"])


@app.command("list")
def list_them(url: Url = None, key: Key = None) -> None:
    """List the newest version of each recipe."""
    with connect(url, key) as client:
        _show(client.recipes())


@app.command()
def versions(name: Name, url: Url = None, key: Key = None) -> None:
    """List a recipe's versions, newest first."""
    with connect(url, key) as client:
        _show(client.recipes(name))


@app.command("show")
def show_one(
    reference: Annotated[
        str, typer.Argument(help="`name` (its newest version) or `name@version`.")
    ],
    url: Url = None,
    key: Key = None,
) -> None:
    """Print a recipe's fields as JSON, which `recipes add --file` reads."""
    name, _, version = reference.partition("@")
    with connect(url, key) as client:
        recipe = client.recipe(name, version or None)
    say(f"{recipe['reference']}, made {recipe['created_at'][:16]} {recipe['note']}".rstrip())
    stdout.print(json.dumps(recipe["fields"], indent=2, ensure_ascii=False))


@app.command("delete")
def delete_one(name: Name, url: Url = None, key: Key = None) -> None:
    """Delete a recipe with all its versions; batches that were made with it stay."""
    with connect(url, key) as client:
        client.delete_recipe(name)
    say(f"The recipe {name} is gone.")


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        fields = json.loads(file.read_bytes())
    except ValueError as error:
        raise UsageError(f"{file} is not JSON ({error}).") from error
    if not isinstance(fields, dict):
        raise UsageError(f'{file} must hold one JSON object, such as {{"steps": 30}}.')
    return fields


def _show(recipes: list[Mapping[str, Any]]) -> None:
    table = Table("recipe", "made", "fields", "note", box=None)
    for recipe in recipes:
        table.add_row(
            recipe["reference"],
            recipe["created_at"][:16].replace("T", " "),
            ", ".join(recipe["fields"]),
            recipe["note"],
        )
    show(table)
