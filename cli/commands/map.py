"""`packshot map`: what the columns of a sheet mean, and may mean."""

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.client.reports import describe
from cli.commands.submit import Column, Encoding, Separator, Sheet, Source, Worksheet
from cli.connection import connect
from cli.console import show, stdout
from cli.options import Key, Url, read_pairs
from cli.submission import ask


def map_columns(
    sheet: Sheet,
    url: Url = None,
    key: Key = None,
    source: Source = None,
    encoding: Encoding = None,
    separator: Separator = None,
    worksheet: Worksheet = None,
    column: Column = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how a sheet's columns are read, and what is proposed for the others."""
    given: dict[str, Any] = {
        "source": source, "encoding": encoding, "separator": separator, "worksheet": worksheet,
        "columns": json.dumps(read_pairs(column, option="--column")) if column else None,
        "preview": 0,
    }  # fmt: skip
    with connect(url, key) as client:
        report = ask(client, sheet, {name: one for name, one in given.items() if one is not None})
    proposals = report["proposals"]
    if as_json:
        typer.echo(json.dumps({"detected": report["detected"], "proposals": proposals}))
        return
    stdout.print(f"{sheet.name}: {describe(report['detected'])}")
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
