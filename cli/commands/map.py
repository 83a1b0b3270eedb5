"""`packshot map`: what the columns of a sheet mean, and may mean, and what is remembered of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from cli.client.http import Client
from cli.client.mappings import PATH, list_mappings
from cli.client.reports import describe
from cli.connection import connect
from cli.console import say, show, stdout
from cli.errors import UsageError
from cli.options import Key, Url, read_pairs
from cli.sheet_options import Column, Encoding, MappingOption, Separator, Source, Worksheet
from cli.submission import ask


def map_columns(
    sheet: Annotated[Path | None, typer.Argument(help="Product sheet of any kind.")] = None,
    url: Url = None,
    key: Key = None,
    source: Source = None,
    encoding: Encoding = None,
    separator: Separator = None,
    worksheet: Worksheet = None,
    column: Column = None,
    mapping: MappingOption = None,
    list_them: Annotated[
        bool, typer.Option("--list", help="List what is remembered of sheets' columns.")
    ] = False,
    forget: Annotated[
        UUID | None, typer.Option(help="Forget a remembered mapping, by its id of --list.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how a sheet's columns are read, and what is proposed for the others."""
    if (sheet is not None) + list_them + (forget is not None) != 1:
        raise UsageError("Give one of these: a sheet, --list, or --forget with a mapping's id.")
    with connect(url, key) as client:
        if forget is not None:
            client.ask("DELETE", f"{PATH}/{forget}")
            say(f"The mapping {forget} is forgotten.")
            return
        if sheet is None:
            _list(client, as_json=as_json)
            return
        given: dict[str, Any] = {
            "source": source, "encoding": encoding, "separator": separator, "worksheet": worksheet,
            "columns": json.dumps(read_pairs(column, option="--column")) if column else None,
            "mapping": mapping, "preview": 0,
        }  # fmt: skip
        report = ask(client, sheet, {name: one for name, one in given.items() if one is not None})
    _show(sheet.name, report, as_json=as_json)


def _list(client: Client, *, as_json: bool) -> None:
    found = list(list_mappings(client))
    if as_json:
        typer.echo(json.dumps({"items": found}))
        return
    table = Table("id", "last used", "sheet", "columns", box=None)
    for one in found:
        columns = ", ".join(f"{name}={column}" for name, column in one["columns"].items())
        table.add_row(one["id"], one["last_used_at"][:10], one["sheet"], columns)
    show(table)


def _show(name: str, report: Mapping[str, Any], *, as_json: bool) -> None:
    """Print how a sheet was read, what is proposed, and whether that was remembered."""
    proposals, remembered = report["proposals"], report["remembered"]
    if as_json:
        shown = {"detected": report["detected"], "proposals": proposals, "remembered": remembered}
        typer.echo(json.dumps(shown))
        return
    stdout.print(f"{name}: {describe(report['detected'])}")
    if remembered:
        say(
            "Its columns were read as was said of a sheet with the same header. Without that: "
            f"--map none; for good: packshot map --forget {remembered['id']}"
        )
    if not proposals:
        return
    table = Table("field", "column", "confidence", "", "why", "examples", box=None)
    for one in proposals:
        state = "read" if one["used"] else "sure" if one["sure"] else "doubtful"
        confidence, examples = f"{one['confidence']:.2f}", " · ".join(one["examples"])
        table.add_row(one["field"], one["column"], confidence, state, one["reason"], examples)
    show(table)
    if any(one["sure"] and not one["used"] for one in proposals):
        stdout.print("Take what is sure with: packshot submit … --map auto")
